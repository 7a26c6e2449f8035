"""Prints pickles by name as JSON of base64: real ones by Python's own pickler, and bytes that no pickler writes."""
import base64, bz2, collections, io, json, lzma, pickle, pickletools, zlib


class Evil:
    def __init__(self, callee="system", module="os", args=("id",)):
        self.path = (module, callee, args)

    def __reduce__(self):
        module, callee, args = self.path
        found = __import__(module, fromlist=[callee])
        return getattr(found, callee), args


out = {}
for protocol in range(6):
    out[f"system-{protocol}"] = pickle.dumps(Evil(), protocol)
    out[f"data-{protocol}"] = pickle.dumps({"weights": [1.5, 2, None, True, b"x", "text", (1, 2, 3), {4}]}, protocol)
    out[f"ordered-{protocol}"] = pickle.dumps(collections.OrderedDict([("a", 1), ("b", [2.5] * 300)]), protocol)
    out[f"frozen-{protocol}"] = pickle.dumps([frozenset({1, 2}), bytearray(b"abc"), 1 << 400, complex(1, 2), range(3)], protocol)
out["popen"] = pickle.dumps(Evil("Popen", "subprocess", (["true"],)), 4)
out["eval"] = pickle.dumps(Evil("eval", "builtins", ("1",)), 2)
out["getattr"] = pickle.dumps(Evil("getattr", "builtins", ("a", "upper")), 4)
out["runpy"] = pickle.dumps(Evil("run_path", "runpy", ("/dev/null",)), 4)
out["optimized"] = pickletools.optimize(pickle.dumps(Evil(), 4))
buffer = io.BytesIO()
pickle._Pickler(buffer, 3).dump({"pure": "python"})
out["pure"] = buffer.getvalue()
out["in-band"] = pickle.dumps([pickle.PickleBuffer(b"abc"), pickle.PickleBuffer(bytearray(b"abc"))], 5)
out["out-of-band"] = pickle.dumps([pickle.PickleBuffer(b"abc")], 5, buffer_callback=lambda _: None)
evil = out["system-2"]
out["zlib"] = zlib.compress(evil)
out["bz2"] = bz2.compress(evil)
out["xz"] = lzma.compress(evil)
out["lzma"] = lzma.compress(evil, lzma.FORMAT_ALONE)
print(json.dumps({name: base64.b64encode(value).decode() for name, value in out.items()}))
