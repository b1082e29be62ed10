//! Everything the browser may ask of the server, as server functions with fixed addresses: an installed copy of last month
//! must still find them. Both faces see the signatures; the bodies run on the server and only extract, authorise, call and
//! answer. Rules live in `model` and `sync`, tables in `server`.

pub mod account;
pub mod error;
pub mod incident;
pub mod review;
pub mod seed;
pub mod sync;
pub mod workspace;

pub use error::ApiError;
