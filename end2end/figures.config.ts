// `npm run figures`: one run of figures.ts, alone, however long it takes.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  testMatch: "figures.ts",
  outputDir: "test-results",
  workers: 1,
  timeout: 0,
  reporter: [["line"]],
});
