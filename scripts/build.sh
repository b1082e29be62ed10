#!/usr/bin/env bash
# Builds the product: target/release/tidemark, the server, and target/site, what it gives to browsers.
#
# It does what `cargo leptos build --release` does, reading the same metadata's choices, with the tools alone: compiling
# cargo-leptos takes longer than compiling Tidemark, and only `make dev` needs what else it can.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/env.sh

# Exactly what `make unit` compiles, so that nothing is compiled twice: there are no examples, but asking for them makes
# cargo choose the features of dependencies as it does for tests.
cargo build --release --locked --features ssr --bin tidemark --examples
cargo build --profile wasm-release --locked --lib --features hydrate \
  --target wasm32-unknown-unknown --target-dir target/front

# Put together beside the old one and exchanged at the end: a server that is running never serves half of each.
site=target/site.new
rm -rf "$site"
mkdir -p "$site/pkg"
cp -R public/. "$site/"
tailwindcss --input style/main.css --output "$site/pkg/tidemark.css" --minify 2>/dev/null

wasm-bindgen --target web --no-typescript --out-dir "$site/pkg" --out-name tidemark \
  target/front/wasm32-unknown-unknown/wasm-release/tidemark.wasm
# Only what every browser that can run Tidemark has had for years.
wasm-opt -Oz --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int --enable-sign-ext \
  --enable-mutable-globals --enable-reference-types --enable-multivalue \
  --output "$site/pkg/tidemark.wasm" "$site/pkg/tidemark_bg.wasm"
rm "$site/pkg/tidemark_bg.wasm"

node scripts/site.mjs "$site" target/release/hash.txt
rm -rf target/site
mv "$site" target/site
