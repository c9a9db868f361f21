// The FileDescriptorProtos of gRPC's reflection service, in its first version, compressed, as test/interop/make_descriptors.py prints them.

import { inflated } from "./inflated.ts";

/** Source: grpc/grpc-proto, grpc/reflection/v1alpha/reflection.proto (Apache-2.0). */
export const DESCRIPTORS = inflated([
  [
    "H4sIAAAAAAACA5VTTW/TQBDFTZOok6YxC02WSoXKBzASSlpzQHBCFUV8KULNjcvKdjbpSs6u2XUjcuLOlV/GP2K9dmLXxEU9rTQfb968eQvuXMYhk",
    "XQW0TBhgo+WZ34UX/mjIjSMpUgEGqSVw1I4r3R+7cBgQuWSystN8pJ+v6YqQfuweyVUgq0Ty91DR2DPWERJsCLpy/0FxY008+EeOoG+yYWCJz7jjM",
    "+JWi0CEeHdvGIMj6oV9EdCudLzcFMXdbznwxqSw4t1Zc5M4z2DYz+KCgzCrxcBlYqIGUlWMcWtfPAAuhFTCVF6SRZShdtZ4vw+9BZUKX9OtYIG1rk",
    "AuzpK9/dKnA10pgcGuzod7+hM0/nTAPyvpioWXFGEAJZ+xKakJO0nsIVkc8b9aM3FQHW801pN6o42AWyEnlIVShYnQmrIbLY5Rscb1WK+143vNn1r",
    "ylrEb/B4u9ob6OZ/6G50HZvOEvYY+jcOVGC2DOaLWswvum2SdZXw3sIBlbK8dtvgPK3nlpYXCOcI7MIZWdR5Bf3t6qBjOKwKbv6cvm3D3Xc+w6Bmd",
    "9SHg8BX1JiKmP90m7Ma2llf4cGWpdFraOfqmaEdz73VNqVW5wn0qmj62xdknDfQvaFPauBM31BMs6ImOoRuFst1M+7d835bYFd9in7Cw2rsI58JdG",
    "erH53doSMj71qnVtAy53n5Fy7xSdU+BQAA",
  ],
]);
