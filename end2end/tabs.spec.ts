// Several tabs of one browser: one of them owns the network, and any of them may die.
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("a tab that owned the network is replaced when it is killed", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const first = await ProjectScreen.makeCable(ada.page);
  const his = await first.on(bo.page);

  const second = new ProjectScreen(await ada.newTab(ada.page.url()));
  await expect(second.row("Walk the route")).toBeVisible();
  await expectSync(second.page, "live");

  // What one tab does is in the other, though only one of them talks to the server.
  await second.rename("Walk the route", "Walk the whole route");
  await expect(first.row("Walk the whole route")).toBeVisible();
  await expect(his.row("Walk the whole route")).toBeVisible();

  await ada.crash(ada.page);
  await second.addUnder("Route", "Count the culverts");
  await expect(his.row("Count the culverts")).toBeVisible();
  await his.rename("Count the culverts", "Count all culverts");
  await expect(second.row("Count all culverts")).toBeVisible();
  await expectSync(second.page, "live");
});

test("tabs agree while the network is gone", async ({ member }) => {
  const ada = await member("Ada");
  const first = await ProjectScreen.makeCable(ada.page);
  const second = new ProjectScreen(await ada.newTab(ada.page.url()));
  await expectSync(second.page, "live");

  await ada.goOffline();
  await first.addUnder("Route", "Count the culverts");
  await expect(second.row("Count the culverts")).toBeVisible();
  await second.rename("Count the culverts", "Count all culverts");
  await expect(first.row("Count all culverts")).toBeVisible();
  await expectSync(first.page, "offline, 2 waiting");
  await expectSync(second.page, "offline, 2 waiting");

  await ada.goOnline();
  await expectSync(first.page, "live");
  await expectSync(second.page, "live");
});

test("a tab that can store nothing any more leaves the network to the others", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const first = await ProjectScreen.makeCable(ada.page);
  const his = await first.on(bo.page);
  const second = new ProjectScreen(await ada.newTab(ada.page.url()));
  await expectSync(second.page, "live");

  await ada.losesStorage(ada.page);
  await first.addUnder("Route", "Count the culverts");
  await expect(ada.page.getByText("This browser keeps nothing for Tidemark")).toBeVisible();
  await expect(his.row("Count the culverts")).toBeVisible();

  // The first tab does not read what the second one stores: only the second one itself can send it.
  await second.addUnder("Route", "Mark the poles");
  await expect(his.row("Mark the poles")).toBeVisible();
  await expectSync(second.page, "live");
  await expect(first.row("Mark the poles")).toBeVisible();
  await his.rename("Mark the poles", "Mark all poles");
  await expect(first.row("Mark all poles")).toBeVisible();
  await expect(second.row("Mark all poles")).toBeVisible();
  await expectSync(first.page, "live");
});
