// Every screen, in light and dark, narrow and wide: nothing axe can find, and nothing wider than the window.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { readFile } from "node:fs/promises";
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
    // To axe, what is scrolled half under the header is half as high.
    await page.evaluate(() => window.scrollTo(0, 0));
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
    await ada.becomeReadyForOffline();
    await ada.goOffline();
    await page.goto("/");
    await expect(page.getByRole("heading", { level: 1, name: "There is no connection" })).toBeVisible();
    await expectClean(page, "a first visit without a network");
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
    for (const [title, kind] of [["Route", "Step"], ["Survey", "Phase"]] as const) {
      await project.open(title);
      await expect(page.getByRole("complementary", { name: `${kind} details` })).toBeVisible();
      await expectClean(page, `the panel of a ${kind.toLowerCase()}`);
    }
    await page.getByRole("link", { name: "Project details" }).click();
    await expect(page.getByRole("complementary", { name: "Project details" })).toBeVisible();
    await expectClean(page, "the panel of a project");

    for (const name of ["Dashboard", "Projects", "Notes", "Conflicts", "Notifications", "Members", "Sync centre"]) {
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();
      await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
      await expectClean(page, name);
    }
    await ada.go("/policies");
    await expectClean(page, "the policies");
    await ada.goNowhere("/nowhere");
    await expect(page.getByRole("heading", { level: 1, name: "There is nothing at this address" })).toBeVisible();
    await expectClean(page, "an address where nothing is");
    await ada.call("workspace/create", { name: "Lighthouse" });
    await ada.go("/workspaces");
    await expect(page.getByRole("button", { name: "Harbour works" })).toBeVisible();
    await expectClean(page, "the workspaces");
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
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await expect(page.getByRole("group", { name: "Edits wait to be sent" })).toBeVisible();
    await expectClean(page, "the question before signing out");
    await page.getByRole("button", { name: "Stay signed in" }).click();
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

  test(`with a rejected edit, ${colorScheme}`, async ({ member }) => {
    const ada = await member("Ada");
    const bo = await member("Bo");
    const { page } = ada;
    await page.emulateMedia({ colorScheme });
    const hers = await ProjectScreen.makeCable(page);
    await hers.status("Walk the route").selectOption({ label: "Done" });
    await expectSync(page, "live");
    const his = await hers.on(bo.page);
    await expect(his.row("Route")).toContainText("1/1");
    // Offline, Ada closes a phase in which everything is done; meanwhile it gets a task that is not.
    await ada.goOffline();
    const panel = await hers.open("Survey");
    await panel.getByRole("button", { name: "Close", exact: true }).click();
    await expectSync(page, "offline, 1 waiting");
    await his.addUnder("Route", "Count the culverts");
    await expectSync(bo.page, "live");
    await ada.goOnline();
    await expectSync(page, "needs you (1)");

    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" }).click();
    const tray = page.getByRole("list", { name: /^(Refused|Rejected) edits$/ });
    await expect(tray).toContainText("unfinished tasks");
    await expectClean(page, "the sync centre with a rejected edit");
    const download = page.waitForEvent("download");
    await tray.getByRole("button", { name: /^Export/ }).click();
    expect(await readFile(await (await download).path(), "utf8")).toContain("close");
    await tray.getByRole("button", { name: /^Discard/ }).click();
    await expectClean(page, "the question before discarding an edit");
    await tray.getByRole("button", { name: "Keep it" }).click();

    // Once the reason has gone, another try succeeds.
    await his.status("Count the culverts").selectOption({ label: "Done" });
    await expect(his.row("Route")).toContainText("2/2");
    await tray.getByRole("button", { name: /^(Try again|Retry)/ }).click();
    await expect(tray).toHaveCount(0);
    await expectSync(page, "live");
    await his.open("Survey");
    await expect(his.line("status")).toHaveValue("done");
  });
}

test("the first link of a page skips what is the same on every page", async ({ member }) => {
  const ada = await member("Ada");
  await ada.page.keyboard.press("Tab");
  await expect(ada.page.getByRole("link", { name: "Skip to the page" })).toBeFocused();
  await ada.page.keyboard.press("Enter");
  await expect(ada.page.getByRole("main")).toBeFocused();
});
