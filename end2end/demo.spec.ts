// The demo workspace: what a newcomer sees first.
import { expect, test } from "./fixtures.ts";
import { Person } from "./person.ts";
import { expectSync } from "./project.ts";
import { Server } from "./server.ts";

test("the demo has people at work, a past, and something to settle", async ({ browser, launchOptions }) => {
  const server = await Server.demo(0);
  const maria = await Person.sitDown("Maria", server, browser, launchOptions, "forgotten");
  const { page } = maria;
  await maria.call("sign-in", { email: "maria@northwind.example", password: "northwind tide" });
  await maria.go("/");
  await expectSync(page, "needs you (1)");
  const activity = page.getByRole("region", { name: "Recent activity" });
  await expect(activity.getByRole("listitem").first()).toContainText("2 h ago");
  await expect(activity).toContainText("Aisha Bello");
  await expect(activity).not.toContainText("just now");

  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /^Conflicts/ }).click();
  await page.getByRole("list", { name: "Waiting conflicts" }).getByRole("link").click();
  await expect(page.getByRole("main")).toContainText("9 h");
  await expect(page.getByRole("main")).toContainText("16 h");
  await maria.leave();
  await server.remove();
  expect(maria.faults).toEqual([]);
});
