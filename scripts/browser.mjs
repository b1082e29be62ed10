// Which Chromium the browser tests use: Playwright's own where it is installed, otherwise the system's. Run as a
// command it prints the path, and fails when there is none; scripts/setup.sh asks it before installing anything.
import { chromium } from "@playwright/test";
import { accessSync, constants, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SYSTEM_BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Chromium refuses its sandbox to root, which is who runs a container; the rest keeps it from talking to the world. */
export const BROWSER_ARGUMENTS = [
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The path of the browser to run, or undefined when none is installed. */
export function browserPath() {
  return [chromium.executablePath(), ...SYSTEM_BROWSERS].find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const path = browserPath();
  if (path === undefined) process.exit(1);
  console.log(path);
}
