// Finishes a built site: puts a hash into the name of every file of pkg/ that a browser is sent, so that it may be kept for
// ever, writes down those hashes for the server, leaves out of scripts what only people read and out of names what nobody does,
// and compresses what is worth it, once and well.
// Usage: node scripts/site.mjs <site folder> <file for the hashes>
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { minify } from "terser";

const [site, hashFile] = process.argv.slice(2);
const pkg = join(site, "pkg");
const WORTH_COMPRESSING = /\.(js|wasm|css|svg|html|json|webmanifest)$/;

const hashOf = (names) => {
  const hash = createHash("sha256");
  for (const name of names) hash.update(readFileSync(join(pkg, name)));
  return hash.digest("hex").slice(0, 16);
};
const named = (name, hash) => name.replace(/\.(\w+)$/, `.${hash}.$1`);

// What the server tells a browser to fetch for a page of a file, before the program that starts asks for it: what the file
// shares with others, as the splitter's loader names it, and itself.
const loader = readFileSync(join(pkg, "__wasm_split.js"), "utf8");
const shared = [...loader.matchAll(/\/\* (.*) \*\/\nconst __(chunk_\d+) = makeLoad\(\(\) => \{/g)];
const files = [...loader.matchAll(/__wasm_split_load_(\w+) =/g)].map(([, file]) => file);
if (shared.length === 0 || files.length === 0) throw new Error("the splitter's loader is not as this script expects it");
const preloads = files.map((file) => [
  file,
  [...shared.filter(([, users]) => users.split(", ").includes(file)).map(([, , chunk]) => chunk), `split_${file}`],
]);

// The parts of a program fit one another and no other build's, and name one another: one hash for all of them.
const isPart = (name) => /\.(js|wasm)$/.test(name) && statSync(join(pkg, name)).isFile();
const parts = readdirSync(pkg).filter(isPart).sort();
const scripts = parts.filter((name) => name.endsWith(".js"));
// Where a file did not arrive, the page says so in words and tries again (src/app/pages.rs). The loader would say it on the console as
// well, as an error, and a second time about each file that was on its way beside it.
const quiet = loader
  .replaceAll(/const src = fetch\(.*\);\n/g, (fetching) => `${fetching}    src.catch(() => {});\n`)
  .replace("console.error(e);", "console.debug(e);");
if (!/fetch\(.*\);\n *src\.catch/.test(quiet) || !quiet.includes("console.debug(e)")) {
  throw new Error("the splitter's loader is not as this script expects it");
}
writeFileSync(join(pkg, "__wasm_split.js"), quiet);
for (const name of scripts) {
  const { code } = await minify(readFileSync(join(pkg, name), "utf8"), { module: true });
  // wasm-bindgen names its own output; Leptos passes the address in, so this default is never fetched.
  writeFileSync(join(pkg, name), code.replaceAll("tidemark_bg.wasm", "tidemark.wasm"));
}
// wasm-bindgen ends the name of each import with a hash, and no packer makes those smaller: they were 7 of 350 KiB. Only its script
// and the program that starts know the names, so a number of the same length does where two would be alike.
const numbers = new Map();
const plain = new Map();
const withoutHashes = (text) =>
  text.replace(/(__wbg_\w+?_)[0-9a-f]{16}\b/g, (name, base) => {
    if (!plain.has(name)) {
      const number = numbers.get(base) ?? 0;
      numbers.set(base, number + 1);
      plain.set(name, base + String(number).padStart(16, "0"));
    }
    return plain.get(name);
  });
for (const name of ["tidemark.js", "tidemark.wasm"]) {
  const path = join(pkg, name);
  writeFileSync(path, withoutHashes(readFileSync(path, "latin1")), "latin1");
  if (name.endsWith(".js") && plain.size === 0) throw new Error("wasm-bindgen's names are not as this script expects them");
}
const program = hashOf(parts);
for (const name of scripts) {
  const script = readFileSync(join(pkg, name), "utf8")
    .replace(/(from ?|new URL\()"\.\/(\w+\.(?:js|wasm))"/g, (_, before, part) => `${before}"./${named(part, program)}"`);
  writeFileSync(join(pkg, name), script);
}
const hashed = preloads.map(([file, names]) => [file, names.map((name) => `${name}.${program}`)]);
parts.push("__wasm_split_manifest.json");
writeFileSync(join(pkg, "__wasm_split_manifest.json"), JSON.stringify(Object.fromEntries(hashed)));
for (const name of parts) renameSync(join(pkg, name), join(pkg, named(name, program)));

const style = hashOf(["tidemark.css"]);
renameSync(join(pkg, "tidemark.css"), join(pkg, named("tidemark.css", style)));
const hashes = { js: program, wasm: program, split: program, manifest: program, css: style };
writeFileSync(hashFile, Object.entries(hashes).map(([what, hash]) => `${what}: ${hash}\n`).join(""));

const sizes = [];
for (const name of readdirSync(site, { recursive: true })) {
  const path = join(site, name);
  // The scripts of dependencies are a few lines each.
  if (!statSync(path).isFile() || !WORTH_COMPRESSING.test(path) || name.includes("snippets")) continue;
  const bytes = readFileSync(path);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  const compressed = brotliCompressSync(bytes, { params });
  if (compressed.length < bytes.length) writeFileSync(`${path}.br`, compressed);
  const part = /^pkg\/(.*)\.[0-9a-f]{16}\.(js|wasm|css)$/.exec(name);
  if (part) sizes.push({ part: `${part[1]}.${part[2]}`, bytes: compressed.length });
}

// What a browser loads before a page can be used, by the file the page is in. The device follows when the page is drawn.
const kib = (names) => {
  const chosen = sizes.filter(({ part }) => names === undefined || names.includes(part));
  return `${Math.ceil(chosen.reduce((sum, { bytes }) => sum + bytes, 0) / 1024)} KiB compressed`;
};
const always = ["tidemark.js", "tidemark.wasm", "tidemark.css", "__wasm_split.js"];
for (const [file, names] of preloads.filter(([file]) => file !== "device")) {
  console.log(`  the browser's half: ${kib([...always, ...names.map((name) => `${name}.wasm`)])} for a page of "${file}"`);
}
console.log(`  the browser's half: ${kib()} with everything`);
