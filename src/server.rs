//! The machine room: store, live hub, accounts, HTTP.
