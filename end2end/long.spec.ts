// Lists of any length: of a long one only what is in sight is in the document, and nobody who reads it notices.
import { AxeBuilder } from "@axe-core/playwright";
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectAlive } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

/** More than are drawn at once, and fewer than a person's day of pushes. */
const COMMENTS = 200;
/** What a list that long has in the document at most: what fits in the window, and in as much above and below it. */
const DRAWN_MAX = 120;

/** Whether anything of the list that is not drawn is in the window. */
async function showsGap(list: Locator): Promise<boolean> {
  return list.locator("> .gap").evaluateAll((gaps) =>
    gaps.some((gap) => {
      const { top, bottom } = gap.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    }),
  );
}

async function comment(page: Page, count: number): Promise<void> {
  const input = page.getByLabel("New comment");
  for (let nth = 1; nth <= count; nth++) {
    // Of several heights.
    await input.fill(`Culvert ${nth}${"\nand what is in it".repeat(nth % 4)}`);
    await input.press("Control+Enter");
    await expect(input).toHaveValue("");
  }
}

test("of hundreds of comments those in sight are drawn, and the focus stays on one that is not", async ({ member }) => {
  test.slow();
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  const address = page.url();
  await ada.goOffline();
  await comment(page, COMMENTS);

  // All of them wait, each to be discarded by itself.
  await page.getByTestId("sync-state").click();
  const outbox = page.locator("#outbox");
  const waiting = outbox.getByRole("listitem").filter({ hasText: "Culvert" });
  await expect(waiting.filter({ hasText: /Culvert 1\b/ })).toBeVisible();
  await expect.poll(() => waiting.count()).toBeLessThan(DRAWN_MAX);
  await page.getByRole("heading", { name: "Rejected" }).scrollIntoViewIfNeeded();
  const last = waiting.filter({ hasText: `Culvert ${COMMENTS}` });
  await expect(last).toBeVisible();
  await expect(last).toHaveAttribute("aria-posinset", `${COMMENTS}`);
  await expect(last).toHaveAttribute("aria-setsize", `${COMMENTS}`);
  await last.getByRole("button", { name: /^Discard/ }).click();
  await last.getByRole("button", { name: "Discard for good" }).click();
  await expect(last).toHaveCount(0);
  await expect(waiting.last()).toHaveAttribute("aria-setsize", `${COMMENTS - 1}`);
  await ada.goOnline();
  await expectSync(page, "live");

  await ada.go(address);
  const list = page.getByRole("list", { name: "Comments" });
  const row = (nth: number) => list.locator("> li").filter({ hasText: new RegExp(`Culvert ${nth}\\b`) });
  // As the server draws it, and once it is alive.
  for (const again of [false, true]) {
    if (again) {
      await page.reload();
      await expectAlive(page);
    }
    await row(1).scrollIntoViewIfNeeded();
    await expect(row(1)).toBeVisible();
    await expect(row(COMMENTS - 1)).toHaveCount(0);
    await expect.poll(() => list.locator("> li").count()).toBeLessThan(DRAWN_MAX);
  }

  // Whoever scrolls sees rows and no gaps, down and up again.
  await list.hover();
  for (const turn of [700, -700]) {
    for (let turns = 0; turns < 20; turns++) {
      await page.mouse.wheel(0, turn);
      await expect.poll(() => showsGap(list)).toBe(false);
    }
  }
  await row(3).getByRole("button").focus();
  await page.getByLabel("New comment").scrollIntoViewIfNeeded();
  await expect(row(COMMENTS - 1)).toBeVisible();
  await expect(row(100)).toHaveCount(0);
  await expect(row(3).getByRole("button")).toBeFocused();
  const { violations } = await new AxeBuilder({ page }).include("#comments").analyze();
  expect(violations).toEqual([]);
  await page.keyboard.press("Shift+Tab");
  await expect(row(2).getByRole("button")).toBeFocused();
  await expect(row(2)).toBeInViewport();

  // Somebody else writes meanwhile.
  await bo.go(address);
  await bo.page.getByLabel("New comment").fill("These are all of them.");
  await bo.page.getByLabel("New comment").press("Control+Enter");
  await page.getByLabel("New comment").scrollIntoViewIfNeeded();
  const newest = list.locator("> li").last();
  await expect(newest).toContainText("These are all of them.");
  await expect(newest).toHaveAttribute("aria-posinset", `${COMMENTS}`);
  await expect(row(2).getByRole("button")).toBeFocused();
});
