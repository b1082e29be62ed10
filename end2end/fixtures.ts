// What every browser test is given: a server of its own, and people who join one workspace on it. Afterwards everything is
// ended and removed, and any error on any page's console has failed the test.
import { test as base, expect } from "@playwright/test";
import { PASSWORD, Person, type Profile } from "./person.ts";
import { Server } from "./server.ts";

/** As the server's `Me` answers. */
interface Me {
  viewer: { member: string; workspace: string } | null;
}

interface Given {
  server: Server;
  /** Seats somebody who has no account. */
  stranger: (name: string, profile?: Profile) => Promise<Person>;
  /** Seats somebody as a member of the one workspace; the first is its owner. */
  member: (name: string, profile?: Profile) => Promise<Person>;
}

export const test = base.extend<Given>({
  server: async ({}, use, info) => {
    const server = await Server.start();
    await use(server);
    if (info.status !== info.expectedStatus) await info.attach("server log", { body: server.log });
    await server.remove();
  },

  stranger: async ({ server, browser, launchOptions }, use) => {
    const people: Person[] = [];
    await use(async (name, profile = "forgotten") => {
      const person = await Person.sitDown(name, server, browser, launchOptions, profile);
      people.push(person);
      return person;
    });
    for (const person of people) await person.leave();
    expect(people.flatMap((person) => person.faults), "no error on any page's console").toEqual([]);
  },

  member: async ({ stranger }, use) => {
    let owner: { person: Person; member: string } | undefined;
    await use(async (name, profile) => {
      const person = await stranger(name, profile);
      await person.call("sign-up", { name, email: person.email, password: PASSWORD });
      if (owner === undefined) {
        const me = await person.call<Me>("workspace/create", { name: "Harbour works" });
        owner = { person, member: me.viewer!.member };
      } else {
        const invited = await owner.person.call<{ path: string }>("invitation/create", {
          member: owner.member,
          role: "member",
        });
        await person.call("invitation/accept", { token: invited.path.split("/").at(-1)! });
      }
      await person.go("/");
      return person;
    });
  },
});

export { expect };
