//! Who works at Northwind Grid, and on what. Days count from today; people, tags and tasks are named by their place in the
//! lists.

use crate::model::choice::{Priority, Role, Status};
use Priority::{High, Low, Normal, Urgent};
use Status::{Blocked, Done, InProgress, NotStarted};

/// The workspace's name.
pub const WORKSPACE: &str = "Northwind Grid";

/// Somebody who can sign in.
pub struct Person {
    pub name: &'static str,
    pub email: &'static str,
    pub role: Role,
}

/// Makes the workspace, leads, works in the field, and looks on.
pub const PEOPLE: &[Person] = &[
    Person { name: "Maria Lindqvist", email: "maria@northwind.example", role: Role::Owner },
    Person { name: "Aisha Bello", email: "aisha@northwind.example", role: Role::Member },
    Person { name: "Tomás Herrera", email: "tomas@northwind.example", role: Role::Admin },
    Person { name: "Jonas Weber", email: "jonas@northwind.example", role: Role::Viewer },
];
const MARIA: usize = 0;
const AISHA: usize = 1;
const TOMAS: usize = 2;

/// Title and hue.
pub const TAGS: &[(&str, i64)] =
    &[("safety", 5), ("outage", 35), ("permit", 265), ("materials", 200), ("customer", 140)];
const SAFETY: usize = 0;
const OUTAGE: usize = 1;
const PERMIT: usize = 2;
const MATERIALS: usize = 3;
const CUSTOMER: usize = 4;

/// A project and everything in it.
pub struct ProjectStory {
    pub title: &'static str,
    pub description: &'static str,
    pub lead: usize,
    pub start: i64,
    pub due: i64,
    /// Cents.
    pub budget: i64,
    pub milestones: &'static [(&'static str, i64)],
    pub phases: &'static [PhaseStory],
}

/// A phase with its steps.
pub struct PhaseStory {
    pub title: &'static str,
    pub steps: &'static [StepStory],
}

/// A step with its tasks.
pub struct StepStory {
    pub title: &'static str,
    pub tasks: &'static [TaskStory],
}

/// One task.
pub struct TaskStory {
    pub title: &'static str,
    pub about: &'static str,
    pub status: Status,
    pub priority: Priority,
    pub who: &'static [usize],
    pub tags: &'static [usize],
    pub due: i64,
    pub minutes: i64,
}

const fn phase(title: &'static str, steps: &'static [StepStory]) -> PhaseStory {
    PhaseStory { title, steps }
}

const fn step(title: &'static str, tasks: &'static [TaskStory]) -> StepStory {
    StepStory { title, tasks }
}

/// A task of ordinary priority.
const fn task(title: &'static str, status: Status, who: &'static [usize], due: i64, minutes: i64) -> TaskStory {
    TaskStory { title, about: "", status, priority: Normal, who, tags: &[], due, minutes }
}

impl TaskStory {
    const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
    const fn is(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }
    const fn tagged(self, tags: &'static [usize]) -> Self {
        Self { tags, ..self }
    }
}

/// The projects, in order.
pub const PROJECTS: &[ProjectStory] = &[
    ProjectStory {
        title: "Harbour Street substation",
        description: "Renew the 10 kV switchgear from 1978 while the harbour stays supplied. One busbar at a time; the fish market's \
                      cold store may not be off for more than twenty minutes.",
        lead: MARIA,
        start: -40,
        due: 75,
        budget: 48_500_000,
        milestones: &[("Busbar A on supply", 12), ("Busbar B on supply", 48), ("Handover to operations", 75)],
        phases: &[
            phase("Survey and permits", &[
                step("Site survey", &[
                    task("Photograph the existing panels", Done, &[AISHA], -34, 120),
                    task("Measure earth resistance", Done, &[AISHA], -33, 180)
                        .about("Fall-of-potential at three points. Below 1 ohm is fine; above 2 ohm we need a new rod before anything else."),
                    task("Trace the control cables in the basement", Done, &[AISHA, TOMAS], -30, 360),
                ]),
                step("Permits", &[
                    task("Agree the outage windows with the harbour office", Done, &[MARIA], -28, 90).tagged(&[PERMIT, CUSTOMER]),
                    task("Heritage office: facade of the transformer hall", Done, &[TOMAS], -21, 240).tagged(&[PERMIT]),
                    task("Traffic order for the crane", InProgress, &[TOMAS], 3, 60).is(High).tagged(&[PERMIT]),
                ]),
            ]),
            phase("Busbar A", &[
                step("Isolate and remove", &[
                    task("Switch the cold store to the mobile supply", Done, &[AISHA, MARIA], -12, 90).is(Urgent).tagged(&[OUTAGE, CUSTOMER]),
                    task("Prove dead and earth busbar A", Done, &[AISHA], -12, 60).is(Urgent).tagged(&[SAFETY]),
                    task("Take out panels A1 to A4", Done, &[AISHA, TOMAS], -9, 960),
                    task("Dispose of the SF6 gas, with certificate", Done, &[TOMAS], -7, 240).tagged(&[SAFETY]),
                ]),
                step("Install", &[
                    task("Level the base frame", Done, &[AISHA], -4, 300),
                    task("Set panels A1 to A4", InProgress, &[AISHA, TOMAS], 1, 960).is(High)
                        .about("Torque the busbar joints to 70 Nm and mark each one. Photograph every joint before the cover goes on."),
                    task("Pull and terminate the control cables", NotStarted, &[AISHA], 4, 720),
                    task("Replace the cracked bushing in A3", Blocked, &[AISHA], 2, 180).is(High).tagged(&[MATERIALS])
                        .about("The spare was broken on arrival. A new one is on its way from the maker."),
                ]),
                step("Commission", &[
                    task("Insulation and primary injection tests", NotStarted, &[AISHA], 8, 480).tagged(&[SAFETY]),
                    task("Load the protection settings", NotStarted, &[TOMAS], 9, 180),
                    task("Energise busbar A", NotStarted, &[MARIA, AISHA], 12, 120).is(Urgent).tagged(&[OUTAGE]),
                ]),
            ]),
            phase("Busbar B", &[
                step("Isolate and remove", &[
                    task("Prove dead and earth busbar B", NotStarted, &[AISHA], 20, 60).tagged(&[SAFETY]),
                    task("Take out panels B1 to B4", NotStarted, &[AISHA, TOMAS], 24, 960),
                ]),
                step("Install and commission", &[
                    task("Set panels B1 to B4", NotStarted, &[AISHA, TOMAS], 34, 960),
                    task("Terminate the remote signals", NotStarted, &[TOMAS], 40, 480),
                    task("Energise busbar B", NotStarted, &[MARIA, AISHA], 48, 120).is(High).tagged(&[OUTAGE]),
                ]),
            ]),
        ],
    },
    ProjectStory {
        title: "Feeder 12 underground",
        description: "Put 6.2 km of the overhead line to Skerry Point into the ground before the winter storms. It came down five times last year.",
        lead: TOMAS,
        start: -60,
        due: 55,
        budget: 61_200_000,
        milestones: &[("Trench closed to km 3", 10), ("Overhead line removed", 55)],
        phases: &[
            phase("Route", &[
                step("Way leaves", &[
                    task("Sign way leave: Ostby farm", Done, &[TOMAS], -50, 120).tagged(&[PERMIT]),
                    task("Sign way leave: church land", Done, &[TOMAS], -46, 120).tagged(&[PERMIT]),
                    task("Sign way leave: Skerry camping", InProgress, &[TOMAS, MARIA], 2, 120).is(High).tagged(&[PERMIT, CUSTOMER])
                        .about("They want the trench closed before the season opens. We promised the end of the month."),
                ]),
                step("Marking", &[
                    task("Locate water and telecom lines, km 0 to 3", Done, &[AISHA], -42, 360).tagged(&[SAFETY]),
                    task("Locate water and telecom lines, km 3 to 6.2", Done, &[AISHA], -20, 360).tagged(&[SAFETY]),
                    task("Stake out joint pits", Done, &[AISHA], -18, 240),
                ]),
            ]),
            phase("Civil works", &[
                step("Trench km 0 to 3", &[
                    task("Open km 0 to 1", Done, &[AISHA], -14, 960),
                    task("Open km 1 to 2", Done, &[AISHA], -8, 960),
                    task("Open km 2 to 3", InProgress, &[AISHA], 2, 960),
                    task("Sand bed and warning tape to km 3", InProgress, &[AISHA], 6, 600),
                    task("Road crossing at Mill Lane, by night", NotStarted, &[AISHA, TOMAS], 5, 480).is(High).tagged(&[PERMIT, SAFETY]),
                ]),
                step("Trench km 3 to 6.2", &[
                    task("Directional drill under the creek", NotStarted, &[TOMAS], 14, 960).tagged(&[PERMIT]),
                    task("Open km 3 to 5", NotStarted, &[AISHA], 20, 1_920),
                    task("Open km 5 to 6.2", NotStarted, &[AISHA], 26, 1_200),
                ]),
            ]),
            phase("Cable", &[
                step("Lay and joint", &[
                    task("Receive drums 1 to 6 and test them", Done, &[TOMAS], -10, 240).tagged(&[MATERIALS]),
                    task("Pull drums 1 to 3", NotStarted, &[AISHA, TOMAS], 9, 960),
                    task("Joint pits J1 and J2", NotStarted, &[AISHA], 12, 720).about("Nobody joints in the rain. Take the tent."),
                    task("Pull drums 4 to 6", NotStarted, &[AISHA, TOMAS], 30, 960),
                    task("Joint pits J3 to J5", NotStarted, &[AISHA], 34, 1_080),
                ]),
                step("Switch over", &[
                    task("VLF test of the whole length", NotStarted, &[AISHA], 38, 300).tagged(&[SAFETY]),
                    task("Tell customers of the switch-over", NotStarted, &[MARIA], 40, 120).tagged(&[CUSTOMER, OUTAGE]),
                    task("Switch feeder 12 to the cable", NotStarted, &[MARIA, AISHA], 44, 180).is(High).tagged(&[OUTAGE]),
                    task("Take down the overhead line", NotStarted, &[AISHA], 55, 2_400),
                ]),
            ]),
        ],
    },
    ProjectStory {
        title: "Smart meters Eastbank",
        description: "Exchange 1,140 meters in Eastbank and read them from a distance. Half the basements have no signal.",
        lead: TOMAS,
        start: -25,
        due: 120,
        budget: 23_900_000,
        milestones: &[("Pilot street accepted", -3), ("Half of Eastbank", 60)],
        phases: &[
            phase("Pilot: Quay Row", &[
                step("Prepare", &[
                    task("Letters to 48 households", Done, &[MARIA], -22, 180).tagged(&[CUSTOMER]),
                    task("Configure the head-end", Done, &[TOMAS], -20, 600),
                ]),
                step("Exchange", &[
                    task("Quay Row 1 to 25", Done, &[AISHA], -12, 960),
                    task("Quay Row 26 to 48", Done, &[AISHA], -9, 900),
                    task("Compare remote readings with the dials", Done, &[TOMAS], -5, 240),
                    task("Gateway for the basements without signal", InProgress, &[TOMAS, AISHA], 4, 360).is(High)
                        .about("The ones facing the water are the worst. Try the powerline gateway before drilling anything."),
                ]),
            ]),
            phase("Roll-out", &[
                step("Logistics", &[
                    task("Order 600 meters", Done, &[TOMAS], -6, 60).tagged(&[MATERIALS]),
                    task("Return crates for old meters", InProgress, &[TOMAS], 3, 90).is(Low).tagged(&[MATERIALS]),
                    task("Train two more fitters", NotStarted, &[AISHA], 10, 480).tagged(&[SAFETY]),
                ]),
                step("Streets north", &[
                    task("Bridge Street", NotStarted, &[AISHA], 15, 1_920),
                    task("Chapel Street", NotStarted, &[AISHA], 22, 1_440),
                    task("Ropewalk", NotStarted, &[AISHA], 28, 1_440),
                    task("Customhouse: access only with the caretaker", NotStarted, &[AISHA], 30, 240).tagged(&[CUSTOMER]),
                ]),
                step("Streets south", &[
                    task("Eastbank estate, blocks A to D", NotStarted, &[AISHA], 45, 2_400),
                    task("Eastbank estate, blocks E to H", NotStarted, &[AISHA], 60, 2_400),
                    task("Allotment gardens", NotStarted, &[AISHA], 66, 480).is(Low),
                ]),
            ]),
        ],
    },
];

/// Title, text, tag.
pub const NOTES: &[(&str, &str, usize)] = &[
    (
        "Before you open a panel",
        "Five rules, in this order:\n\n1. Disconnect.\n2. Secure against reconnection.\n3. Prove dead.\n4. Earth and short-circuit.\n\
         5. Cover what is still live nearby.\n\nNo signal is no excuse: Tidemark works in the basement, and so does the checklist.",
        SAFETY,
    ),
    (
        "Who to call at the harbour office",
        "Outage windows: the duty officer, day and night.\nCrane and traffic: the harbour master, mornings only.\n\nThe cold store's \
         own engineer wants a call fifteen minutes before we switch, whatever the plan says.",
        CUSTOMER,
    ),
    (
        "Spares in the van",
        "2 cable end kits 10 kV\n1 joint kit 150-240\n12 fuses 63 A\n1 earth clamp set\n\nWhat is used is written into the time log, so \
         that somebody can order it.",
        MATERIALS,
    ),
];

/// Who said what of which task, hours ago.
pub const COMMENTS: &[(usize, usize, i64, &str)] = &[
    (AISHA, 11, 30, "A1 and A2 are set. The frame is 3 mm low at the door; I shimmed it."),
    (MARIA, 11, 28, "Good. Send the photographs of the joints when you are out of the basement."),
    (AISHA, 13, 52, "The spare bushing has a crack as well. See the delivery note."),
    (TOMAS, 13, 49, "The maker sends another one by courier. Tuesday at the earliest."),
    (TOMAS, 5, 26, "They need the crane's axle loads by Monday."),
    (AISHA, 30, 70, "Rock at km 2.4, about ten metres. We need the breaker."),
    (MARIA, 24, 3, "I promised them we close the trench by the end of the month. Please hold me to it."),
    (AISHA, 50, 96, "In numbers 12 and 14 the gateway works from the stairwell. No drilling."),
];

/// Who spent time on which task: days ago, minutes, on what.
pub const TIME: &[(usize, usize, i64, i64, &str)] = &[
    (AISHA, 11, 2, 240, "A1, shimming"),
    (AISHA, 11, 1, 300, "A2"),
    (TOMAS, 11, 1, 120, "Lifting"),
    (AISHA, 10, 5, 280, "Frame"),
    (AISHA, 30, 3, 420, "Km 2.0 to 2.4"),
    (TOMAS, 5, 1, 45, "Forms"),
    (AISHA, 50, 4, 180, "Numbers 10 to 18"),
];

/// The task two people estimate apart: who, minutes, hours ago, and how many hours ago there was a signal again.
pub const DISAGREEMENT: (usize, [(usize, i64, i64, i64); 2]) = (12, [(TOMAS, 540, 5, 5), (AISHA, 960, 7, 4)]);

/// Everything was laid out so many hours ago.
pub const BEGAN_HOURS_AGO: i64 = 12 * 24;

/// Between the events of the same hour, in minutes: nobody does everything on the stroke of it.
pub const MINUTES_APART: i64 = 11;

/// How many hours ago somebody said how far a task is: what is done on the day it was due, and what is under way when five days
/// were left.
pub fn moved_hours_ago(task: &TaskStory) -> Option<i64> {
    let days_ago = match task.status {
        Status::NotStarted => return None,
        Status::Done => -task.due,
        Status::InProgress | Status::Blocked => 5 - task.due,
    };
    Some(days_ago.clamp(0, BEGAN_HOURS_AGO / 24 - 1) * 24 + 2)
}
