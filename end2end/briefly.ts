// What failed and why, once more and in a few lines at the very end: where only the end of a long log is at hand, it has the reason.
import type { Reporter, TestCase, TestResult } from "@playwright/test/reporter";
import { basename } from "node:path";

/** Of one error: its words and what was expected and found. */
const LINES_MAX = 12;
const COLOURS = /\x1b\[[0-9;]*m/g;

export default class Briefly implements Reporter {
  private readonly failed: string[] = [];

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status === test.expectedStatus) return;
    const { file, line } = test.location;
    const errors = result.errors.map(({ message, location }) => {
      const words = (message ?? "no words").replace(COLOURS, "").split("\n").slice(0, LINES_MAX);
      const where = location === undefined ? "" : ` (${basename(location.file)}:${location.line})`;
      return [`  ${words.join("\n  ")}${where}`];
    });
    this.failed.push([`${basename(file)}:${line} ${test.title}: ${result.status} after ${result.duration} ms`, ...errors].join("\n"));
  }

  onEnd(): void {
    if (this.failed.length > 0) console.log(`\nWhat failed, briefly:\n\n${this.failed.join("\n\n")}\n`);
  }
}
