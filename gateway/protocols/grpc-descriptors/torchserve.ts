// The FileDescriptorProtos of TorchServe's InferenceAPIsService and what it imports, compressed, as test/interop/make_descriptors.py prints them.

import { inflated } from "./inflated.ts";

/** Source: pytorch/serve, frontend/server/src/main/resources/proto/inference.proto (Apache-2.0). */
export const DESCRIPTORS = inflated([
  [
    "H4sIAAAAAAACA8WSwU7CQBCGXUAMg0bdGG1qYgh64LQQ9GC4GE1M4EaKXryQWsbSCG3d3ZL0aOLBt/DiQ3q02xasoCF60NvuzPyz3/4zsOm4d8jRt",
    "ZD53JMerXjcZn4oPW4NmUA+QWZz32KzOn3f9jx7hPW4/ja4q+PYl2Ei1/fSZCSpC2nKQCSJ6ksOaJfjwLGk47nCwIcAhaQHAGNvgKO+a45RIxVSKx",
    "mZCD2CjeQ2QS4ioZaLSz4H6TWsOq4fSC1fydfKzTO27BNsEYV1VIdLV/LQSLrRQwChkpGgM9AK6uX2ipGJPROinwJ8KOkW5O8xTD+ijnQHVifmKMC",
    "YfN1ILq3cKbnYgHL/o1f1lWQdMlD4ERwqh/xZNG68bmQic5C5LyFpHYrJNCKHSOQQZcmcmHKlF2faxEhrIsEc20UJ1vpJstoE7Ur52lO2ttEcyeGM",
    "dReKwziSGpDemm952OlMvT/vdoQSOxbSGyh0Hdemu1Oe6VKxS7VUemv5JL+FCaGcmTI9+c1S6D9SzZ5+JLDdkxzN8T8RNAh9itZpgaH5lxA10iC3x",
    "Xiix+91WlvpaQQAAA==",
  ],
  [
    "H4sIAAAAAAACA+MST8/PT89J1S8qSNYvLkksKS3WKyjKL8kX4oJI6AElpCShisAySaVp+ol5lRBlSmlcbMFgbUJCXCzJ+SmpEowKjBqsQWC2kAQXe",
    "25qcXFieqoEE1CYMwjGFdLjYk9JLUnMzCmWYFZg1uA2EtGDWgizRM8xrzIIpiiJDSxsDABE8rhOsAAAAA==",
  ],
  [
    "H4sIAAAAAAACA+OSTs/PT89J1S8oyi/JTypN00/NLSip1ANzhfghknowSSV2LlZXkLxTLZdwcn6uHpq8ExdYNgDEDWCMgkmn5+ck5qXr5RelI6wpq",
    "SxILdbPzssvz4NYWZD0g5FxEROze4DTKiY5d4jOAKhyvfDUnBxvkOIQkL4kNrA5xgCSs9AavgAAAA==",
  ],
  [
    "H4sIAAAAAAACA+OSTM/PT89J1S8oyi/JTypN00/Mq9QDc4T4IVJ6MCklMy5mx7xKIUkujpLKgtT40qIcCUYFRg3OIHYQP7QoR0iEi7UsMac0VYIJK",
    "M4TBOE4lXEJJ+fn6qEZ58QBNCwAxAlgjNKBSqbn5yTmpevlF6UjXAQyvFg/Oy+/PA/kuoKkRUzM7gFOq5jk3CGaAqAq9cJTc3K8QepCQFqS2MBGGA",
    "MA5LUry+QAAAA=",
  ],
]);
