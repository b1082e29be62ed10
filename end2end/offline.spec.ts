// One person loses the network, works on, and comes back.
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("work goes on offline, through a reload and a closed browser, and arrives", async ({ member }) => {
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();

  await ada.goOffline();
  await expectSync(ada.page, "offline");
  await hers.rename("Walk the route", "Walk the whole route");
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(ada.page, "offline, 2 waiting");

  await ada.page.reload();
  await expect(hers.row("Walk the whole route")).toBeVisible();
  await expect(hers.row("Count the culverts")).toBeVisible();
  await expectSync(ada.page, "offline, 2 waiting");

  const address = ada.page.url();
  await ada.closeBrowser();
  await ada.openBrowser();
  await ada.goOffline();
  await ada.go(address);
  const again = new ProjectScreen(ada.page);
  await expect(again.row("Count the culverts")).toBeVisible();
  await again.status("Walk the whole route").selectOption({ label: "In progress" });
  await expectSync(ada.page, "offline, 3 waiting");

  // Meanwhile Bo has seen none of it, and does something else.
  await his.addUnder("Route", "Call the landowner");
  await expect(his.row("Walk the route")).toBeVisible();

  await ada.goOnline();
  await expectSync(ada.page, "live");
  await expect(again.row("Call the landowner")).toBeVisible();
  await expect(his.row("Walk the whole route")).toBeVisible();
  await expect(his.row("Count the culverts")).toBeVisible();
  await expect(his.status("Walk the whole route")).toHaveValue("in_progress");
});

test("a project that was never opened here is there offline too", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  await expect(bo.page.getByText("North shore cable").first()).toBeVisible();
  await expectSync(bo.page, "live");
  await bo.becomeReadyForOffline();

  await bo.goOffline();
  const his = await hers.on(bo.page);
  await expect(his.row("Walk the route")).toBeVisible();
});

test("the pages that were not opened yet arrive by themselves, and open without a network", async ({ member }) => {
  const ada = await member("Ada");
  await expectSync(ada.page, "live");
  // Of this page's own requests: what the service worker fetches for later does not count.
  const arrived = () => ada.page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name).join(" "));
  for (const file of ["split_door", "split_work", "split_upkeep"]) await expect.poll(arrived).toContain(file);
  await ada.goOffline();
  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
  await expect(ada.page.getByRole("heading", { level: 1, name: "Members" })).toBeVisible();
});
