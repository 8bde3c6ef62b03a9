/** Subjects: every NATS subject that Godwit uses, in one place. Names are checked before they come here, so none holds a dot. */

export const subjects = (cluster: string) => {
  const root = `godwit.${cluster}`
  return {
    /** Public: request and reply, JSON or MessagePack. */
    spawn: `${root}.placement.spawn`,
    locate: `${root}.placement.locate`,
    stop: `${root}.placement.stop`,
    /** `operation`: ask, tell or get; `*` for all. */
    actor: (type: string, operation: string): string => `${root}.actor.${type}.${operation}`,
    nodes: `${root}.cluster.nodes`,
    drain: `${root}.cluster.drain`,
    list: `${root}.cluster.list`,
    /** Public: the agreed view in Godwit's own encoding, for clients that route by themselves. */
    view: `${root}.cluster.view`,
    /** Frames for one node. */
    frames: (nodeId: string): string => `${root}.node.${nodeId}.frames`,
    /** Handoff and drain requests between nodes. */
    lifecycle: (nodeId: string): string => `${root}.node.${nodeId}.lifecycle`,
    /** The two streams. A log's name stands behind the prefix. */
    controlPrefix: `${root}.control`,
    logPrefix: `${root}.log`,
    controlStream: `GODWIT_${cluster}_control`,
    logStream: `GODWIT_${cluster}_log`,
  } as const
}

export type Subjects = ReturnType<typeof subjects>
