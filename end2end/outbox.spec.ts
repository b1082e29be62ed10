// What waits, and what is rejected.
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("an edit that is rejected goes to the tray with its reason, and the others pass", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await hers.addUnder("Route", "Walk the route");
  await hers.status("Walk the route").selectOption({ label: "Done" });
  await expectSync(ada.page, "live");
  const his = await hers.on(bo.page);
  await expect(his.row("Route")).toContainText("1/1");

  // Offline, Bo closes a phase in which everything is done; meanwhile it gets a task that is not.
  await bo.goOffline();
  const panel = await his.open("Survey");
  await panel.getByRole("button", { name: "Close", exact: true }).click();
  await his.rename("Route", "Route by the sea");
  await expectSync(bo.page, "offline, 2 waiting");
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(ada.page, "live");

  await bo.goOnline();
  await expect(hers.row("Route by the sea")).toBeVisible();
  await expectSync(bo.page, "needs you (1)");
  await bo.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" }).click();
  const tray = bo.page.getByRole("list", { name: "Rejected edits" });
  await expect(tray).toContainText("It still has unfinished tasks");
  await tray.getByRole("button", { name: /^Discard/ }).click();
  await tray.getByRole("button", { name: "Discard for good" }).click();
  await expectSync(bo.page, "live");
});

test("edits that wait are told apart by their values, lead to their records, and are not given up by Escape", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await hers.setLine("estimate", "60");
  await expectSync(page, "live");
  await ada.goOffline();
  await hers.setLine("estimate", "90");
  await hers.setLine("due", "2027-03-01");
  await expectSync(page, "offline, 2 waiting");

  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" }).click();
  const rows = page.getByRole("list", { name: "Edits that wait" }).getByRole("listitem");
  await expect(rows.first()).toContainText("Estimate of “Walk the route”: 1 h → 1 h 30 min");
  await expect(rows.last()).toContainText("Due of “Walk the route”: nothing → 1 Mar 2027");
  await rows.first().getByRole("button", { name: /^Discard/ }).click();
  await expect(rows.first().getByRole("button", { name: /^Keep it/ })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(rows).toHaveCount(2);
  await expect(rows.first().getByRole("button", { name: /^Discard/ })).toBeFocused();
  await rows.first().getByRole("link").click();
  await expect(hers.line("estimate")).toHaveValue("90");
  await ada.goOnline();
  await expectSync(page, "live");
});
