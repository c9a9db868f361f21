// Reads a NumPy .npy file of the command line into a tensor.

import { InferError } from "../../core/error.ts";
import { decodeNpy, type NpyArray } from "../../wire/npy.ts";
import { CliError } from "./io.ts";

/**
 * The array as a tensor without a name.
 *
 * @param file the file's name, for messages
 * @throws CliError for anything but a whole array of plain numbers in C order
 */
export function readNpy(bytes: Uint8Array, file: string): NpyArray {
  try {
    return decodeNpy(bytes);
  } catch (error) {
    if (error instanceof InferError) throw new CliError(`${file}: ${error.message}`);
    throw error;
  }
}
