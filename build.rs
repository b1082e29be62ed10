//! Tells Cargo that the migrations are part of the program: `sqlx::migrate!` reads them while it is compiled.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    // `scripts/build.sh` cuts the browser's half into files, and learns from relocations what needs what.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo:rustc-link-arg-cdylib=--emit-relocs");
    }
}
