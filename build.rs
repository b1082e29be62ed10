//! Tells Cargo that the migrations are part of the program: `sqlx::migrate!` reads them while it is compiled.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
