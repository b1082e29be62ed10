# Sourced by every make target and script: which compiler, which tools. It looks and exports; it never installs and
# never touches the network, so it costs next to nothing. scripts/setup.sh installs.

# One compiler for everybody, so that lints and output are the same on every machine. Debian's may be newer.
rust_version=1.96.0

# Tools that belong to this project's versions live in a folder of their own, shared by all checkouts.
tools_folder=${TIDEMARK_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/tidemark}

# The newest cargo-leptos that was tried with this project.
cargo_leptos_version=0.3.11

# wasm-bindgen's command must have exactly the version of the library it post-processes.
wasm_bindgen_version=$(awk '$0 == "name = \"wasm-bindgen\"" { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)

# The splitter reads marks that this library makes, and is published with it.
wasm_split_version=$(awk '$0 == "name = \"wasm_split_helpers\"" { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)

# True when `rustc`, given with its arguments, can compile for the browser and is new enough.
compiles_for_browser() {
  local folder version
  folder=$("$@" --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) || return 1
  compgen -G "$folder/libstd-*.rlib" >/dev/null || return 1
  version=$("$@" --version | cut -d ' ' -f 2)
  [ "$(printf '%s\n' "$rust_version" "$version" | sort -V | head -n 1)" = "$rust_version" ]
}

# Debian's compiler first, where somebody chose it for this machine; it needs no rustup server.
if compiles_for_browser /usr/bin/rustc; then
  PATH=/usr/bin:$PATH
else
  export RUSTUP_TOOLCHAIN=$rust_version
fi

PATH=$PWD/node_modules/.bin:$tools_folder/cargo-leptos-$cargo_leptos_version/bin:$PATH
PATH=$tools_folder/wasm-bindgen-cli-$wasm_bindgen_version/bin:$PATH
PATH=$tools_folder/wasm_split_cli_support-$wasm_split_version/bin:$PATH
export PATH

# Leptos reads this while it compiles; set everywhere, `cargo test` and `cargo leptos build` share one build of it.
export LEPTOS_OUTPUT_NAME=tidemark

# Leptos then erases the types of components where one contains another. Without it a page is one type as deep as the
# page, and compiling the screens takes longer than compiling everything else.
export RUSTFLAGS='--cfg erase_components'

# SQLite as its own build makes it for Linux, where the library's crate does not: `fdatasync` writes what a file holds and
# how long it is, without which nothing is found again, and not when it was changed, which would be a second write for every
# commit. And it keeps no account of its memory across connections, which is a lock that nobody asks for.
export LIBSQLITE3_FLAGS='-DHAVE_FDATASYNC=1 -DSQLITE_DEFAULT_MEMSTATUS=0 -USQLITE_ENABLE_MEMORY_MANAGEMENT'
