// A newer build arrives while somebody writes.
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("an update waits until it is asked for and keeps an unfinished text", async ({ server, member }) => {
  await server.serveCopyOfSite();
  const ada = await member("Ada");
  ada.expectServerToVanish();
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await hers.addUnder("Route", "Walk the route");
  await hers.open("Walk the route");
  await expectSync(ada.page, "live");
  await ada.becomeReadyForOffline();

  const description = hers.field("description");
  await description.getByRole("button", { name: /^Edit/ }).click();
  await description.getByRole("textbox").fill("Start at the pier, then");

  await server.changeSite();
  await ada.page.evaluate(async () => {
    await (await navigator.serviceWorker.ready).update();
  });
  await expect(ada.page.getByText("A newer Tidemark is ready.")).toBeVisible();
  await expect(description.getByRole("textbox")).toHaveValue("Start at the pier, then");

  const reloaded = ada.page.waitForEvent("domcontentloaded");
  await ada.page.getByRole("button", { name: "Update now" }).click();
  await reloaded;
  await expect(description.getByRole("textbox")).toHaveValue("Start at the pier, then");
  await expect(ada.page.getByText("A newer Tidemark is ready.")).toHaveCount(0);
  await description.getByRole("button", { name: "Save" }).click();
  await expect(description).toContainText("Start at the pier, then");
});
