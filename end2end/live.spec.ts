// Two people on the same project, connected.
import { expect, test } from "./fixtures.ts";
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
