// Every screen, in light and dark, narrow and wide: nothing axe can find, and nothing wider than the window.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const WIDTHS_PX = [390, 1440];

async function expectClean(page: Page, screen: string): Promise<void> {
  for (const width of WIDTHS_PX) {
    await page.setViewportSize({ width, height: 900 });
    const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
    expect(found, `${screen} at ${width} px`).toEqual([]);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wider, `${screen} at ${width} px scrolls sideways by that many pixels`).toBeLessThanOrEqual(0);
  }
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`outside a workspace, ${colorScheme}`, async ({ stranger }) => {
    const ada = await stranger("Ada");
    const { page } = ada;
    await page.emulateMedia({ colorScheme });
    for (const path of ["/sign-in", "/sign-up", "/workspaces", "/invitation/unknown"]) {
      await ada.go(path);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expectClean(page, path);
    }
  });
}
