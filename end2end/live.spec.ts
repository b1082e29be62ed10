// Two people on the same project, connected.
import { expect, test } from "./fixtures.ts";
import { expectAlive } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("each sees what the other does, as it happens", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await hers.addUnder("Route", "Walk the route", "Mark the poles");
  await expectSync(ada.page, "live");

  const his = await hers.on(bo.page);
  await expect(his.row("Walk the route")).toBeVisible();

  await his.rename("Walk the route", "Walk the whole route");
  await expect(hers.row("Walk the whole route")).toBeVisible();

  await hers.status("Mark the poles").selectOption({ label: "Done" });
  await expect(his.status("Mark the poles")).toHaveValue("done");
  // Rolled up by the server, for both.
  await expect(hers.row("Route")).toContainText("1/2");
  await expect(his.row("Route")).toContainText("1/2");

  await his.addUnder("Route", "Order the cable");
  await expect(hers.row("Order the cable")).toBeVisible();
  await hers.remove("Order the cable");
  await expect(his.row("Order the cable")).toHaveCount(0);

  await ada.page.getByRole("button", { name: "Undo" }).click();
  await expect(his.row("Order the cable")).toBeVisible();
  await expectSync(ada.page, "live");
  await expectSync(bo.page, "live");
});

test("times are by the clock of whoever looks, drawn by the server or here", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  // The first page that a browser asks for has told the server the zone.
  await ada.go("/");
  const project = await ProjectScreen.makeCable(page);
  await project.open("Walk the route");
  await page.getByLabel("New comment").fill("The gate is locked.");
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  const time = page.locator("li.comment time");
  // As browsers of these tests are set up.
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Oslo", hour: "2-digit", minute: "2-digit" });
  const expected = async (): Promise<string> => clock.format(new Date((await time.getAttribute("datetime")) ?? Number.NaN));
  await expect(time).toHaveText(new RegExp(`, ${await expected()}$`));
  await expectSync(page, "live");
  for (const network of ["there", "gone"]) {
    if (network === "gone") await ada.goOffline();
    await page.reload();
    await expect(time).toHaveText(new RegExp(`, ${await expected()}$`));
    await expectAlive(page);
    await expect(time).toHaveText(new RegExp(`, ${await expected()}$`));
  }
});
