// The text that TensorFlow Serving writes for a float.

/**
 * Six significant digits where they read back to the same bits, else as many as any float (9) or double (17) needs; `.0`
 * behind whole numbers; an exponent from 1e+06 on and below 1e-04. Source: tensorflow_serving/util/json_tensor.cc,
 * WriteDecimal.
 */
export function tfsFloatText(value: number, datatype: "FP32" | "FP64"): string {
  const short = significant(value, 6);
  const read = datatype === "FP32" ? Math.fround(Number(short)) : Number(short);
  const text = read === value ? short : significant(value, datatype === "FP32" ? 9 : 17);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

// C's %.*g: without trailing zeros, with an exponent of two digits at least.
function significant(value: number, digits: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", power = "0"] = halfEven(value, digits).split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= digits) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${withoutZeros(mantissa)}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  const sign = mantissa.startsWith("-") ? "-" : "";
  const figures = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return sign + withoutZeros(`0.${"0".repeat(-exponent - 1)}${figures}`);
  return sign + withoutZeros(`${figures.slice(0, exponent + 1)}.${figures.slice(exponent + 1)}`);
}

const withoutZeros = (text: string) => (text.includes(".") ? text.replace(/\.?0*$/, "") : text);

// JavaScript rounds a tie up, C to the even digit. A tie ends in a 5 within the digits that are looked at, then zeros.
function halfEven(value: number, digits: number): string {
  const text = value.toExponential(digits - 1);
  const exact = value.toExponential(Math.min(100, digits + 39));
  const tail = exact.slice(0, exact.indexOf("e")).replace(/[-.]/g, "").slice(digits);
  if (!/^50*$/.test(tail)) return text;
  const last = exact.slice(0, exact.indexOf("e")).replace(/[-.]/g, "")[digits - 1];
  if (Number(last) % 2 === 1) return text;
  const point = value < 0 ? digits + 2 : digits + 1;
  return exact.slice(0, digits === 1 ? point - 1 : point) + exact.slice(exact.indexOf("e"));
}
