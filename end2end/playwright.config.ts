// The browser tests: every test starts the built server on a port and in a folder of its own, so that all of them run
// side by side and leave nothing behind. See fixtures.ts.
import { defineConfig } from "@playwright/test";
import { BROWSER_ARGUMENTS, browserPath } from "../scripts/browser.mjs";

export default defineConfig({
  testDir: ".",
  outputDir: "test-results",
  fullyParallel: true,
  forbidOnly: true,
  // A test that passes the second time has found something, so there is no second time.
  retries: 0,
  // Each test drives up to three browsers and a server: more of them than cores only slow each other down.
  workers: "100%",
  // Generous, because a busy machine is slow; every wait inside a test is for a condition, not for time.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [["list"], ["./briefly.ts"]],
  use: {
    launchOptions: { executablePath: browserPath(), args: BROWSER_ARGUMENTS },
    locale: "en-GB",
    timezoneId: "Europe/Oslo",
    screenshot: "only-on-failure",
    // Without its film, which costs every test half as much again as the test itself; what the page held at each step is there.
    trace: { mode: "retain-on-failure", screenshots: false },
  },
});
