// A process that does nothing but watch its own event loop: how late the machine alone makes a timer.

import { answer } from "../program.ts";
import { watchWords } from "../watched.ts";

// something must keep the loop open between two questions; the channel to the parent does
answer({ start() {}, stop() {}, ...watchWords() });
