/** Story: what happens, in order. Three nodes, two thousand actors, asks all the time; then a node joins, one is killed and one is
 *  drained. It changes the scene as it goes, and ends with what the caller's ledger and the witness have to say. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Nodes } from '../../src/index.ts'
import type { Audit, Caller } from './caller.ts'
import type { Cluster } from './cluster.ts'
import { actorsOf, type ChapterName, type Member, type Scene } from './scene.ts'
import { Whereabouts } from './whereabouts.ts'
import type { Testimony, Witness } from './witness.ts'

export interface Ending {
  readonly audit: Audit
  readonly testimony: Testimony
}

export interface StoryOptions {
  readonly scene: Scene
  readonly cluster: Cluster
  readonly witness: Witness
  /** The least that a chapter lasts. */
  readonly chapterMs: number
  readonly onChapter: () => void
}

const lookMs = 200
const countMs = 1_000
/** What has not come to rest by then will not: the story goes on, and the ledger says what it cost. */
const restlessMsMax = 25_000

export async function play({ scene, cluster, witness, chapterMs, onChapter }: StoryOptions): Promise<Ending> {
  const whereabouts = new Whereabouts()
  let caller: Caller | undefined
  let shards = 0

  // The chapters

  await chapter('start', async () => {
    const cast = { ...scene.actors, url: witness.url, remindersMs: 4 * chapterMs }
    const [starting] = await Promise.all([cluster.startCaller(cast), ...['n1', 'n2', 'n3'].map(startNode)])
    caller = starting
    await until(({ nodes }) => nodes.length === 3 && nodes.every((node) => node.shards > 0))
  })

  await chapter('spawn', async () => {
    await caller!.spawn()
    await until(({ nodes }) => nodes.reduce((sum, node) => sum + node.actors, 0) >= actorsOf(scene))
    await caller!.begin()
  })

  await chapter('calm', async () => {
    await sleep(chapterMs)
    shards = shardsOf(await cluster.client.nodes())
  })

  await chapter('join', async () => {
    await Promise.all([
      sleep(chapterMs),
      startNode('n4').then(async () => settled((id) => id !== 'n4' || member('n4').shards > 0)),
    ])
  })

  await chapter('kill -9', async () => {
    member('n2').state = 'killed'
    await cluster.killNode('n2')
    await Promise.all([sleep(chapterMs), settled((id, state) => id !== 'n2' || state === 'dead')])
  })

  await chapter('drain', async () => {
    member('n1').state = 'draining'
    await Promise.all([
      sleep(chapterMs),
      cluster.client.drain('n1').then(async () => settled((id, state) => id !== 'n1' || state === 'left')),
    ])
  })

  return chapter('audit', async () => {
    await caller!.rest()
    return { audit: await caller!.audit(), testimony: witness.testimony() }
  })

  // What they are made of

  async function chapter<T>(name: ChapterName, happen: () => Promise<T>): Promise<T> {
    const present = scene.chapters.find((each) => each.name === name)!
    present.startedAtMs = performance.now()
    scene.chapter = present
    onChapter()
    const watching = repeat(look, lookMs)
    const counting = repeat(count, countMs)
    try {
      return await happen()
    } finally {
      await Promise.all([watching.stop(), counting.stop()])
      await Promise.all([look(), count()])
      if (caller) present.page = await caller.turnPage()
    }
  }

  async function startNode(nodeId: string): Promise<void> {
    const state = scene.members.size < 3 ? 'starting' : 'joining'
    scene.members.set(nodeId, { id: nodeId, state, shards: 0, actors: 0 })
    const { name, replicas } = await cluster.startNode(nodeId)
    scene.durability = `${name}, ${replicas} ${replicas === 1 ? 'copy' : 'copies'}`
  }

  function member(nodeId: string): Member {
    return scene.members.get(nodeId)!
  }

  /** Every shard has its owner again, nobody waits for long, and each node is as it should be. */
  async function settled(isSo: (nodeId: string, state: string) => boolean): Promise<void> {
    await until(
      (seen) =>
        seen.nodes.every(({ id, state }) => isSo(id, state)) &&
        shardsOf(seen) === shards &&
        caller!.figures().oldestMs < 500,
    )
  }

  async function until(isSo: (seen: Nodes) => boolean): Promise<void> {
    const endMs = performance.now() + restlessMsMax
    for (;;) {
      const seen = await look()
      if (seen !== undefined && isSo(seen)) return
      if (performance.now() > endMs) {
        scene.unfinished.push(scene.chapter.name)
        return
      }
      await sleep(lookMs)
    }
  }

  /** What there is to see; while nobody answers, what there was. */
  async function look(): Promise<Nodes | undefined> {
    scene.figures = caller?.figures()
    scene.testimony = witness.testimony()
    const seen = await cluster.client.nodes({ timeoutMs: 1_000 }).catch(() => undefined)
    for (const { id, state, shards: held, actors } of seen?.nodes ?? []) {
      const known = scene.members.get(id)
      if (known === undefined) continue
      if (state === 'dead' || state === 'left') Object.assign(known, { state, shards: 0, actors: 0 })
      else Object.assign(known, { shards: held, actors })
      if ((known.state === 'starting' || known.state === 'joining') && held > 0) known.state = 'up'
    }
    return seen
  }

  /** A member that does not answer makes the list fail: the next one will tell. */
  async function count(): Promise<void> {
    const { chapter: present, figures } = scene
    if (figures === undefined || figures.answered === 0) return
    scene.history.push(figures.asksPerSecond)
    await whereabouts.look(cluster.client.list(), () => void present.moved++).catch(() => {})
  }
}

/** One after the other, never two at once. */
function repeat(work: () => Promise<unknown>, everyMs: number): { stop(): Promise<void> } {
  const over = new AbortController()
  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await work()
      await sleep(everyMs, undefined, { signal: over.signal }).catch(() => {})
    }
  }
  const running = run()
  return {
    async stop() {
      over.abort()
      await running
    },
  }
}

const shardsOf = ({ nodes }: Nodes): number =>
  nodes.filter(({ state }) => state === 'up' || state === 'leaving').reduce((sum, node) => sum + node.shards, 0)
