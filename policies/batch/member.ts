// One request that waits to be part of a batch, and the promise of its answer, which is kept exactly once.

import { abortReason, type Call } from "../../core/call.ts";
import type { InferRequest, Reply } from "../../core/request.ts";

export interface Member {
  readonly request: InferRequest;
  readonly call: Call;
  readonly rows: number;
  readonly bytes: number;
  readonly queuedAt: number;
  readonly answer: Promise<Reply>;
  /** Where it stands: a matter of the line that it is in. */
  place?: object | undefined;
  /** It was answered, it failed or its caller left. */
  readonly settled: boolean;
  /** The first of these counts, later ones do nothing. */
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

export interface MemberInit {
  readonly request: InferRequest;
  readonly call: Call;
  readonly rows: number;
  readonly bytes: number;
  /** Called once, when it settles, however it does. */
  readonly onSettled: (member: Member) => void;
}

/** A member; its caller's leaving settles it at once, wherever it is. */
export function openMember({ request, call, rows, bytes, onSettled }: MemberInit): Member {
  let [keep, breakIt]: readonly [(reply: Reply) => void, (error: unknown) => void] = [() => {}, () => {}];
  const answer = new Promise<Reply>((resolve, reject) => {
    [keep, breakIt] = [resolve, reject];
  });
  const settle = (how: () => void) => {
    if (member.settled) return;
    member.settled = true;
    call.signal.removeEventListener("abort", onAbort);
    how();
    onSettled(member);
  };
  const onAbort = () => settle(() => breakIt(abortReason(call.signal)));
  // no getter: see core/chain.ts
  const member: Member & { settled: boolean } = {
    request,
    call,
    rows,
    bytes,
    queuedAt: call.clock.now(),
    answer,
    place: undefined,
    settled: false,
    resolve: (reply) => settle(() => keep(reply)),
    reject: (error) => settle(() => breakIt(error)),
  };
  call.signal.addEventListener("abort", onAbort, { once: true });
  return member;
}
