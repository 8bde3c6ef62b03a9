/** Caller: the outside world of the demo. It spawns the actors, asks them all the time and keeps the ledger; in the end it reads every
 *  actor and compares. */

import { setTimeout as sleep } from 'node:timers/promises'
import { reminder } from '../../actors/reminder.ts'
import type { Client } from '../../src/index.ts'
import { createAsking, type Totals } from './asking.ts'
import { inParallel, insist } from './insist.ts'
import { type Account, type Appointment, judge, type Kept, noteMissing, noteStanding, openAccount } from './ledger.ts'
import { callMsMax, rolesOn } from './roles.ts'
import type { Summary } from './waits.ts'

export interface Cast {
  readonly counters: number
  readonly websockets: number
  readonly reminders: number
  /** Where the websockets lead. */
  readonly url: string
  /** The reminders are spread over this long. */
  readonly remindersMs: number
}

/** How it stands now. */
export interface Figures extends Summary, Totals {
  readonly spawned: number
  readonly lost: number
  readonly doubled: number
  /** Reminders whose time is over. */
  readonly due: number
  readonly oldestMs: number
}

/** The ledger against the actors, read afterwards. */
export interface Audit extends Totals {
  /** The sum of what the actors have counted. */
  readonly counted: number
  /** Of these, what websockets were told to say: frames are sent once at most. */
  readonly said: number
  readonly lost: number
  readonly doubled: number
  readonly reminders: Record<Kept['kind'], number> & { readonly lateMsMax: number }
  /** What no second try could help, in its own words. */
  readonly failures: readonly string[]
}

export interface Caller {
  figures(): Figures
  spawn(): Promise<void>
  /** Starts asking. */
  begin(): Promise<void>
  /** What happened since the page was turned last. */
  turnPage(): Promise<Summary>
  /** Stops asking, and waits for what is open. */
  rest(): Promise<void>
  /** Reads every actor; reminders when their time is over. */
  audit(): Promise<Audit>
}

/** A reminder must not need to be looked at to fire: nobody looks before it should have, and then some. */
const graceMs = 1_000
const patienceMs = 15_000
const lookAgainMs = 250

export function createCaller(client: Client, cast: Cast): Caller {
  const roles = rolesOn(client, cast.url)
  const accounts: readonly Account[] = [
    ...Array.from({ length: cast.counters }, (_, i) => openAccount('counter', `${i + 1}`)),
    ...Array.from({ length: cast.websockets }, (_, i) => openAccount('websocket', `${i + 1}`)),
  ]
  const appointments = Array.from({ length: cast.reminders }, (_, i): Appointment => {
    const delayMs = Math.round(graceMs + (cast.remindersMs * (i + 1)) / cast.reminders)
    return { id: `${i + 1}`, delayMs, sentAtMs: 0, answeredAtMs: Infinity }
  })
  const failures: string[] = []
  const asking = createAsking(accounts, roles, ({ kind, id }, thrown) => fail(`${kind}/${id}`, thrown))
  let spawned = 0

  async function spawn(): Promise<void> {
    const spawns = [
      ...accounts.map(
        ({ kind, id }) =>
          async () =>
            roles[kind].spawn(id),
      ),
      ...appointments.map((appointment) => async () => arm(appointment)),
    ]
    await inParallel(spawns, async (spawnOne) => {
      await patiently(spawnOne)
      spawned++
    })
  }

  async function arm(appointment: Appointment): Promise<void> {
    const { id, delayMs } = appointment
    appointment.sentAtMs ||= Date.now()
    await client.actor(reminder, id).spawn({ text: 'it is time', delayMs }, { timeoutMs: callMsMax })
    appointment.answeredAtMs = Date.now()
  }

  async function audit(): Promise<Audit> {
    const counted = { counter: 0, websocket: 0 }
    await inParallel(accounts, async (account) => {
      const standing = await standingOf(account)
      if (standing === undefined) return noteMissing(account)
      noteStanding(account, standing)
      counted[account.kind] += standing
    })
    const reminders = { kept: 0, unfired: 0, twice: 0, early: 0, lateMsMax: 0 }
    await inParallel(appointments, async (appointment) => {
      const kept = await outcomeOf(appointment)
      reminders[kept.kind]++
      if (kept.kind === 'kept') reminders.lateMsMax = Math.max(reminders.lateMsMax, kept.lateMs)
    })
    const { counter, websocket: said } = counted
    return { ...asking.totals(), ...sums(), counted: counter + said, said, reminders, failures }
  }

  async function standingOf({ kind, id }: Account): Promise<number | undefined> {
    try {
      return await patiently(async () => roles[kind].read(id))
    } catch (thrown) {
      fail(`${kind}/${id}`, thrown)
      return undefined
    }
  }

  async function outcomeOf(appointment: Appointment): Promise<Kept> {
    const { id, answeredAtMs, delayMs } = appointment
    const dueAtMs = answeredAtMs + delayMs
    await sleep(Math.max(0, dueAtMs + graceMs - Date.now()))
    try {
      for (;;) {
        const { context } = await patiently(async () => client.actor(reminder, id).get({ timeoutMs: callMsMax }))
        const outcome = judge(appointment, context.fires, context.firedAtMs)
        if (outcome.kind !== 'unfired' || Date.now() > dueAtMs + patienceMs) return outcome
        await sleep(lookAgainMs)
      }
    } catch (thrown) {
      fail(`reminder/${id}`, thrown)
      return { kind: 'unfired' }
    }
  }

  const patiently = async <T>(attempt: () => Promise<T>): Promise<T> => insist(attempt, () => {})

  const fail = (actor: string, thrown: unknown): void => void failures.push(`${actor}: ${String(thrown)}`)

  function sums(): { lost: number; doubled: number } {
    const sum = (numberOf: (account: Account) => number): number =>
      accounts.reduce((total, account) => total + numberOf(account), 0)
    return { lost: sum(({ lost }) => lost), doubled: sum(({ doubled }) => doubled) }
  }

  function figures(): Figures {
    const nowMs = Date.now()
    const due = appointments.filter(({ answeredAtMs, delayMs }) => answeredAtMs + delayMs <= nowMs).length
    return {
      ...asking.now(),
      ...asking.totals(),
      ...sums(),
      spawned,
      due,
      gapMs: asking.gapMs(),
      oldestMs: asking.oldestMs(),
    }
  }

  return {
    figures,
    spawn,
    begin: async () => asking.begin(),
    turnPage: async () => asking.turnPage(),
    rest: async () => asking.rest(),
    audit,
  }
}
