// Every screen, in light and dark, narrow and wide: nothing axe can find, and nothing wider than the window.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** The narrowest that anything has to fit (WCAG 1.4.10), a phone, and a desk. */
const WIDTHS_PX = [320, 390, 1440];
/** Axe takes a second or two: the layouts of 320 and 390 px are one. */
const AXE_WIDTHS_PX = [390, 1440];

// A dozen screens, each looked at several times.
test.slow();

async function expectClean(page: Page, screen: string): Promise<void> {
  for (const width of WIDTHS_PX) {
    await page.setViewportSize({ width, height: 900 });
    if (AXE_WIDTHS_PX.includes(width)) {
      const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
      const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
      expect(found, `${screen} at ${width} px`).toEqual([]);
    }
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
    // The first tap of all: nothing may move away from under the finger.
    await page.setViewportSize({ width: 390, height: 900 });
    await project.open("Walk the route");
    await expectClean(page, "a task");

    for (const name of ["Dashboard", "Projects", "Notes", "Conflicts", "Notifications", "Members", "Sync centre"]) {
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();
      await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
      await expectClean(page, name);
    }
    await ada.go("/policies");
    await expectClean(page, "the policies");
  });

  test(`with everything in it, ${colorScheme}`, async ({ member }) => {
    const ada = await member("Ada");
    const bo = await member("Bo");
    const { page } = ada;
    await page.emulateMedia({ colorScheme });
    const hers = await ProjectScreen.make(page, "North shore cable");
    await hers.addUnder("Route", "Walk the route");
    await hers.open("Walk the route");
    await hers.setLine("estimate", "60");
    await hers.write("description", "Start at the pier.");
    await hers.addTag("coast");
    await hers.addEntry("Bring boots");
    await page.getByLabel("New comment").fill("The gate is locked on Sundays.");
    await page.getByRole("button", { name: "Comment", exact: true }).click();
    await expectSync(page, "live");
    const his = await hers.on(bo.page);
    await his.open("Walk the route");
    await ada.goOffline();
    await his.setLine("estimate", "120");
    await expectSync(bo.page, "live");
    await hers.setLine("estimate", "90");
    await expectClean(page, "a task with everything in it");
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" }).click();
    await expect(page.getByRole("list", { name: "Edits that wait" })).toBeVisible();
    await expectClean(page, "the sync centre with edits that wait");
    await ada.goOnline();
    await expectSync(page, "needs you (1)");

    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /Conflicts/ }).click();
    await expectClean(page, "the list of conflicts");
    await page.getByRole("link", { name: /Walk the route/ }).first().click();
    await expect(page.getByRole("button", { name: "Use mine", exact: true })).toBeVisible();
    await expectClean(page, "a conflict");
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /Notifications/ }).click();
    await expectClean(page, "the notifications");

    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Notes" }).click();
    await page.getByLabel("Title of the new note").fill("Tides in March");
    await page.getByRole("button", { name: "New note" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Tides in March" })).toBeVisible();
    await expectClean(page, "a note");

    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
    await page.getByRole("button", { name: "Make an invitation" }).click();
    const invitation = await page.getByLabel(/^Send them this link/).inputValue();
    await expectClean(page, "the members with an invitation");
    await ada.go(new URL(invitation, page.url()).pathname);
    await expect(page.getByRole("main")).toContainText("invites you to");
    await expectClean(page, "an invitation");
  });
}
