// Dragging rows of the tree: among their siblings, under another parent, past what is in sight, and not at all.
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

async function titles(page: Page): Promise<string[]> {
  return page.locator(".tree-row .row-title").allTextContents();
}

/** Where in a row to let go: its upper edge, its middle or its lower edge. */
const UPPER = { targetPosition: { x: 120, y: 4 } };
const LOWER = { targetPosition: { x: 120, y: 34 } };

test("rows are dragged among their siblings and under another parent, as one edit each", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = ada;
  const hers = await ProjectScreen.make(page, "North shore cable");
  await hers.addUnder("Survey", "Trench");
  await hers.addUnder("Route", "Walk", "Mark", "Count");
  await expectSync(page, "live");
  const his = await hers.on(bo.page);
  await expect(his.row("Count")).toBeVisible();

  await hers.row("Count").dragTo(hers.row("Walk"), UPPER);
  await expect.poll(() => titles(page)).toEqual(["Survey", "Route", "Count", "Walk", "Mark", "Trench"]);
  await expect.poll(() => titles(bo.page)).toEqual(["Survey", "Route", "Count", "Walk", "Mark", "Trench"]);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => titles(page)).toEqual(["Survey", "Route", "Walk", "Mark", "Count", "Trench"]);

  await hers.row("Walk").dragTo(hers.row("Trench"), UPPER);
  await expect(page.getByText("Moved “Walk” to “Trench”.")).toBeVisible();
  await expect.poll(() => titles(page)).toEqual(["Survey", "Route", "Mark", "Count", "Trench", "Walk"]);
  await expect.poll(() => titles(bo.page)).toEqual(["Survey", "Route", "Mark", "Count", "Trench", "Walk"]);
  // The focus follows, and the counts with it.
  await expect(hers.row("Walk")).toBeFocused();
  await expect(hers.row("Trench")).toContainText("0/1");

  await hers.row("Route").dragTo(hers.row("Trench"), LOWER);
  await expect.poll(() => titles(page)).toEqual(["Survey", "Trench", "Walk", "Route", "Mark", "Count"]);

  // A task is not dropped on a phase, and Escape drops it nowhere.
  await hers.row("Mark").dragTo(hers.row("Survey"), LOWER);
  expect(await titles(page)).toEqual(["Survey", "Trench", "Walk", "Route", "Mark", "Count"]);
  const from = (await hers.row("Mark").boundingBox())!;
  const to = (await hers.row("Walk").boundingBox())!;
  await page.mouse.move(from.x + 200, from.y + 20);
  await page.mouse.down();
  await page.mouse.move(from.x + 200, from.y + 10, { steps: 4 });
  await page.mouse.move(to.x + 200, to.y + 4, { steps: 4 });
  await expect(page.locator(".drop-mark")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.locator(".drop-mark")).toHaveCount(0);
  await page.mouse.up();
  expect(await titles(page)).toEqual(["Survey", "Trench", "Walk", "Route", "Mark", "Count"]);
  await expectSync(page, "live");
});

test("the list scrolls while something is held near its edge", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  await page.setViewportSize({ width: 1200, height: 640 });
  const hers = await ProjectScreen.make(page, "North shore cable");
  await hers.addUnder("Survey", "Last step");
  await hers.addUnder("Route", ...Array.from({ length: 30 }, (_, nth) => `Pole ${nth + 1}`));
  await hers.row("Survey").focus();
  await page.keyboard.press("Home");
  await expect(hers.row("Pole 1")).toBeInViewport();
  await expect(hers.row("Last step")).toHaveCount(0);

  const from = (await hers.row("Pole 1").boundingBox())!;
  const tree = (await page.locator("#project-tree").boundingBox())!;
  await page.mouse.move(from.x + 300, from.y + 20);
  await page.mouse.down();
  await page.mouse.move(from.x + 300, from.y + 30, { steps: 4 });
  let nth = 0;
  await expect(async () => {
    nth += 1;
    await page.mouse.move(from.x + 300 + (nth % 2), tree.y + tree.height - 12);
    await expect(hers.row("Last step")).toBeInViewport({ ratio: 0.9, timeout: 1 });
  }).toPass({ intervals: [10] });
  // A hand that holds still trembles: the browser, too, scrolls near an edge, and passes a movement over meanwhile. What it
  // aims at moves as long as the list does.
  await expect(async () => {
    nth += 1;
    const last = (await hers.row("Last step").boundingBox())!;
    await page.mouse.move(from.x + 300 + (nth % 2), last.y + 20);
    await expect(page.locator('.drop-mark[data-how="around"]')).toBeVisible({ timeout: 1 });
  }).toPass({ intervals: [10] });
  await page.mouse.up();
  await expect(page.getByText("Moved “Pole 1” to “Last step”.")).toBeVisible();
  await expectSync(page, "live");
  await expect(hers.row("Last step")).toContainText("0/1");
});
