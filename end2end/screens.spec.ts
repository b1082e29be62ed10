// Every screen, in light and dark, narrow and wide: nothing axe can find, and nothing wider than the window.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

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

  test(`inside a workspace, ${colorScheme}`, async ({ member }) => {
    const ada = await member("Ada");
    const { page } = ada;
    await page.emulateMedia({ colorScheme });
    await expectClean(page, "the empty dashboard");
    const project = await ProjectScreen.make(page, "North shore cable");
    await project.addUnder("Route", "Walk the route", "Mark the poles");
    await project.status("Mark the poles").selectOption({ label: "Done" });
    await expectSync(page, "live");
    await expectClean(page, "a project");
    await project.open("Walk the route");
    await expectClean(page, "a task");

    for (const name of ["Dashboard", "Projects", "Notes", "Conflicts", "Members", "Sync centre"]) {
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();
      await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
      await expectClean(page, name);
    }
  });
}
