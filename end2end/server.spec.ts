// The server goes away, and networks that do not let everything through.
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("a server killed under load loses nothing and takes nothing twice", async ({ server, member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  ada.expectServerToVanish();
  bo.expectServerToVanish();
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  const his = await hers.on(bo.page);
  await expect(his.row("Route")).toBeVisible();

  const added: string[] = [];
  for (const round of ["first", "second", "third"]) {
    const titles = ["a", "b", "c", "d"].map((name) => `${round} ${name}`);
    // Killed while these are on their way: some acknowledged, some not.
    const adding = hers.addUnder("Route", ...titles);
    await expect(hers.row(titles[1]!)).toBeVisible();
    await server.kill();
    await adding;
    added.push(...titles);
    await server.start();
  }
  await expectSync(ada.page, "live");
  await expectSync(bo.page, "live");
  for (const screen of [hers, his]) {
    for (const title of added) await expect(screen.row(title)).toHaveCount(1);
    await expect(screen.row("Route")).toContainText(`0/${added.length}`);
  }
});

test("a server that stops in order comes back to the same state", async ({ server, member }) => {
  const ada = await member("Ada");
  ada.expectServerToVanish();
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await hers.addUnder("Route", "Walk the route");
  await server.stop();
  await expectSync(ada.page, /^offline/);
  await hers.rename("Walk the route", "Walk the whole route");
  await server.start();
  await expectSync(ada.page, "live");
  await ada.page.reload();
  await expect(hers.row("Walk the whole route")).toBeVisible();
});

test("where WebSockets are refused, everything still arrives", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await expectSync(ada.page, "live");
  const his = await hers.on(bo.page);
  await expect(his.row("Route")).toBeVisible();

  bo.refuseSockets();
  await hers.addUnder("Route", "Walk the route");
  await expect(his.row("Walk the route")).toBeVisible();
  await his.rename("Walk the route", "Walk the whole route");
  await expect(hers.row("Walk the whole route")).toBeVisible();
});
