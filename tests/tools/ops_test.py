"""The torch operators of libpionbench_optim_ops.so against torch's own float64 SVD; for tests/adoption.

usage: PIONBENCH_OPS=LIBRARY PIONBENCH_TORCH=VERSION ops_test.py [CLASS...]
exit 3 when this Python has no torch, or not the one that the library was built with
"""
import os
import pathlib
import re
import sys
import unittest
import warnings

try:
    import torch
except ImportError:
    print(f"{sys.executable} has no torch")
    sys.exit(3)

LIBRARY = os.environ["PIONBENCH_OPS"]
BUILT_WITH = os.environ["PIONBENCH_TORCH"]
README = pathlib.Path(__file__).parents[2] / "optim/README.md"
if torch.__version__.split("+")[0] != BUILT_WITH:
    print(f"the library was built with torch {BUILT_WITH}; {sys.executable} has {torch.__version__}")
    sys.exit(3)
torch.set_num_threads(1)
torch.ops.load_library(LIBRARY)
OPS = torch.ops.pionbench

MUON = [3.4445, -4.7750, 2.0315]
PROMOTION = [1.875, -1.25, 0.375]
SUPPRESSION = [0.0, 2.5, -1.5]


def chained(chain, s):
    """The chain of odd quintics on numbers."""
    for i in range(0, len(chain), 3):
        a, b, c = chain[i:i + 3]
        s = a * s + b * s**3 + c * s**5
    return s


def by_svd(x, chain, divisor=1.0):
    """U f(S / (divisor ‖S‖)) Vᵀ in float64, U f(S) Vᵀ when divisor is None; zero for zero."""
    u, s, vh = torch.linalg.svd(x.double(), full_matrices=False)
    norm = torch.linalg.vector_norm(s, dim=-1, keepdim=True) * divisor if divisor else torch.ones(())
    return u @ torch.diag_embed(chained(chain, torch.where(norm > 0, s / norm, s))) @ vh


def with_rows_rescaled(x):
    """AOL: with A = X Xᵀ on the orientation with rows ≤ cols, row i times (Σ_j |A_ij|)^(−1/2); zero rows stay."""
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    sums = (x @ x.mT).abs().sum(-1, keepdim=True)
    x = x / torch.where(sums > 0, sums, 1).sqrt()
    return x.mT if tall else x


def samples(dtype=torch.float64, device="cpu"):
    """Tall, wide, square, batched, rank-deficient, one row, zero."""
    g = torch.Generator().manual_seed(5)
    def randn(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)
    yield from (x.to(device, dtype) for x in (
        randn(24, 10), randn(10, 24), randn(16, 16), randn(2, 3, 12, 20), randn(20, 2) @ randn(2, 14),
        randn(1, 9), torch.zeros(6, 8, dtype=torch.float64)))


def off(got, expected):
    return (got.double() - expected.double()).abs().max().item()


class Maps(unittest.TestCase):
    def test_pion_is_k_p_promotions_then_suppressions_for_every_split(self):
        for x in samples():
            for k_p in range(6):
                chain = PROMOTION * k_p + SUPPRESSION * (5 - k_p)
                self.assertLess(off(OPS.pion(x, k_p, eps=0.0), by_svd(x, chain)), 1e-11, (k_p, x.shape))

    def test_muon_is_newton_schulz(self):
        for x in samples():
            self.assertLess(off(OPS.muon(x, eps=0.0), by_svd(x, MUON * 5)), 1e-11, x.shape)
            self.assertLess(off(OPS.muon(x, 3, eps=0.0), by_svd(x, MUON * 3)), 1e-11, x.shape)

    def test_every_published_set_by_name_is_its_chain_with_its_divisor(self):
        self.assertIn("polar-express", OPS.coefficient_names())
        for name in OPS.coefficient_names():
            chain = OPS.coefficients(name)
            divisor = {"polar-express": 1.02}.get(name, 1.0)
            for x in samples():
                got = OPS.spectral_map(x, name, eps=0.0)
                if name == "aol":  # its rows are rescaled first, which no chain says
                    self.assertLess(off(got, by_svd(with_rows_rescaled(x), chain, None)), 1e-7, (name, x.shape))
                    continue
                # Long chains of large slope multiply the rounding of null directions: 485² for Muon's five steps.
                self.assertLess(off(got, by_svd(x, chain, divisor)), 1e-7, (name, x.shape))
                self.assertLess(off(got, OPS.spectral_map(x, chain, norm_factor=divisor, eps=0.0)), 1e-7, name)

    def test_a_set_is_cut_at_the_steps_asked_for(self):
        x = next(samples())
        chain = OPS.coefficients("you")
        self.assertLess(off(OPS.spectral_map(x, "you", 2, eps=0.0), by_svd(x, chain[:6])), 1e-9)

    def test_narrower_types_keep_their_type_and_stay_within_their_rounding(self):
        # Observed worst: 2e-6 for float32 throughout, 4e-3 where the result is rounded to bfloat16.
        for dtype, bound in ((torch.float32, 2e-5), (torch.bfloat16, 1e-2), (torch.float16, 2e-3)):
            for x in samples(dtype):
                got = OPS.pion(x, 1, eps=0.0)
                self.assertEqual(got.dtype, dtype)
                self.assertLess(off(got, by_svd(x, PROMOTION + SUPPRESSION * 4)), bound, (dtype, x.shape))

    def test_the_precision_of_the_products_can_be_named(self):
        x = next(samples(torch.float32))
        exact = by_svd(x, MUON * 5)
        coarse, fine = OPS.muon(x, precision="bfloat16"), OPS.muon(x, precision="float64")
        self.assertLess(off(fine, exact), 1e-6)
        self.assertGreater(off(coarse, exact), 1e-4)
        self.assertLess(off(coarse, exact), 0.2)

    def test_heads_equal_a_loop_over_heads_on_both_sides_with_and_without_batch(self):
        for x in (torch.randn(24, 10), torch.randn(10, 24), torch.randn(3, 24, 12)):
            for side, dim in (("output", -2), ("input", -1)):
                heads = 2
                got = OPS.pion(x, 2, heads=heads, head_side=side)
                loop = torch.cat([OPS.pion(block.contiguous(), 2) for block in x.chunk(heads, dim)], dim)
                self.assertTrue(torch.allclose(got, loop, atol=1e-6), (x.shape, side))

    def test_the_input_is_left_alone_and_the_result_is_contiguous_memory_of_its_own(self):
        for x in samples():
            before = x.clone()
            got = OPS.muon(x.mT)
            self.assertTrue(torch.equal(x, before))
            self.assertTrue(got.is_contiguous())
            self.assertNotEqual(got.data_ptr(), x.data_ptr())

    def test_eps_guards_the_norm_by_either_rule(self):
        x = torch.full((2, 2), 1e-8, dtype=torch.float64)  # norm 2e-8, one singular value
        linear = [1.0, 0.0, 0.0]
        added, largest = (OPS.spectral_map(x, linear, eps=1e-7, eps_rule=rule) for rule in ("add", "max"))
        self.assertLess(off(added * 1.2e-7, x), 1e-20)
        self.assertLess(off(largest * 1e-7, x), 1e-20)

    def test_an_empty_batch_stays_empty(self):
        self.assertEqual(OPS.muon(torch.empty(0, 3, 4)).shape, (0, 3, 4))


class Metrics(unittest.TestCase):
    def test_follow_their_definitions_on_the_singular_values_of_torch(self):
        for x in samples():
            if not x.any():
                continue
            s = torch.linalg.svdvals(x)
            p = s / s.sum(-1, keepdim=True)
            energy = s**2
            with self.subTest(shape=x.shape):
                # A Gram matrix resolves half the digits of the smallest values.
                torch.testing.assert_close(OPS.singular_values(x), s, rtol=1e-6, atol=1e-6)
                torch.testing.assert_close(OPS.effective_rank(x), torch.exp(-torch.xlogy(p, p).sum(-1)), rtol=1e-5,
                                           atol=0)
                torch.testing.assert_close(OPS.stable_rank(x), energy.sum(-1) / energy.amax(-1))
                torch.testing.assert_close(OPS.top_energy(x, 2), energy[..., :2].sum(-1) / energy.sum(-1))
                torch.testing.assert_close(OPS.directions_passed(x), (s > 0.5).sum(-1).double())
                if s.min() > 1e-6 * s.max():
                    torch.testing.assert_close(OPS.condition_number(x), s.amax(-1) / s.amin(-1), rtol=1e-6, atol=0)

    def test_of_a_whole_set_are_those_asked_one_by_one(self):
        x = torch.randn(3, 8, 12)
        alone = (OPS.effective_rank(x), OPS.stable_rank(x), OPS.top_energy(x, 3), OPS.condition_number(x),
                 OPS.directions_passed(x))
        for a, b in zip(OPS.spectral_metrics(x, 3), alone):
            torch.testing.assert_close(a, b)

    def test_orthogonality_error_is_zero_for_orthonormal_rows(self):
        q = torch.linalg.qr(torch.randn(12, 5, dtype=torch.float64))[0]
        self.assertLess(OPS.orthogonality_error(q).item(), 1e-12)
        self.assertAlmostEqual(OPS.orthogonality_error(2 * torch.eye(4)).item(), 3.0)

    def test_a_zero_matrix_has_rank_zero(self):
        for metric in OPS.spectral_metrics(torch.zeros(4, 6)):
            self.assertEqual(metric.item(), 0)


def every_call(x):
    """Each operator with arguments that differ from its defaults."""
    yield OPS.muon.default, (x, 3), {"heads": 2, "head_side": "input"}
    yield OPS.pion.default, (x, 2), {"heads": 2, "precision": "float32"}
    yield OPS.spectral_map.default, (x, "you", 4), {"eps": 0.0}
    yield OPS.spectral_map.chain, (x, PROMOTION + SUPPRESSION), {"norm_factor": 1.5, "eps_rule": "max"}
    for name in ("singular_values", "effective_rank", "stable_rank", "condition_number", "directions_passed",
                 "orthogonality_error"):
        yield getattr(OPS, name).default, (x,), {}
    yield OPS.top_energy.default, (x, 2), {}
    yield OPS.spectral_metrics.default, (x, 2), {}


class Tracing(unittest.TestCase):
    def test_torchs_own_operator_check_passes_for_every_operator(self):
        for x in (torch.randn(8, 12), torch.randn(12, 8), torch.randn(2, 6, 4, dtype=torch.bfloat16)):
            for op, args, keywords in every_call(x):
                with self.subTest(op=str(op), shape=tuple(x.shape)):
                    torch.library.opcheck(op, args, keywords)

    def test_on_the_meta_device_each_gives_the_shape_type_and_strides_of_the_real_one(self):
        for x in (torch.randn(8, 12), torch.randn(3, 12, 8)):
            for op, args, keywords in every_call(x):
                real, meta = op(*args, **keywords), op(args[0].to("meta"), *args[1:], **keywords)
                for r, m in zip(*((v if isinstance(v, tuple) else (v,)) for v in (real, meta))):
                    self.assertEqual((r.shape, r.dtype, r.stride()), (m.shape, m.dtype, m.stride()), str(op))

    def test_torch_compile_sees_through_without_a_graph_break_and_with_shapes_open(self):
        def step(w, m):
            return w - 0.1 * OPS.pion(m, 1, heads=2) * m.shape[0]**0.5
        compiled = torch.compile(step, fullgraph=True, dynamic=True, backend="aot_eager")
        for rows, cols in ((8, 12), (16, 6)):
            w, m = torch.randn(rows, cols), torch.randn(rows, cols)
            torch.testing.assert_close(compiled(w, m), step(w, m))

    def test_torch_export_keeps_the_operator_as_one_node(self):
        class Step(torch.nn.Module):
            def forward(self, m):
                return OPS.spectral_map(m, "polar-express") + OPS.muon(m)
        x = torch.randn(6, 10)
        program = torch.export.export(Step(), (x,))
        self.assertIn("torch.ops.pionbench.muon.default", program.graph_module.code)
        torch.testing.assert_close(program.module()(x), Step()(x))


class Mistakes(unittest.TestCase):
    def test_are_value_errors_that_say_what_is_allowed(self):
        x = torch.randn(6, 8)
        for call, message in (
            (lambda: OPS.spectral_map(x, "polar-expres"), 'did you mean "polar-express"\\?'),
            (lambda: OPS.pion(x, 6), 'setting "k_p": got 6, allowed: integer in \\[0, steps\\], steps is 5'),
            (lambda: OPS.pion(x, heads=5), "got 5 heads, which do not divide the output side of 6"),
            (lambda: OPS.pion(x, heads=2, head_side="ouput"), 'did you mean "output"\\?'),
            (lambda: OPS.muon(x, eps_rule="sum"), 'unknown eps_rule "sum"'),
            (lambda: OPS.muon(x, 0), "got 0 steps, allowed: 1 or more"),
            (lambda: OPS.muon(x[0]), r"got x of shape \[8\], allowed: at least two dimensions"),
            (lambda: OPS.muon(x.to(torch.int64)), "allowed: dense floating-point tensors"),
            (lambda: OPS.muon(x, precision="bfloat61"), 'did you mean "bfloat16"\\?'),
            (lambda: OPS.spectral_map(x, [1.0, 2.0]), "a chain of 2 numbers, allowed: a, b, c of each step"),
            (lambda: OPS.stable_rank(x[0]), "pionbench::stable_rank: got x of shape"),
            (lambda: OPS.top_energy(x, 0), "got k 0 directions, allowed: 1 or more"),
        ):
            with self.subTest(message=message):
                self.assertRaisesRegex(ValueError, message, call)

    def test_going_backward_through_a_map_is_an_error_not_a_wrong_gradient(self):
        x = torch.randn(4, 6, requires_grad=True)
        with self.assertRaisesRegex(RuntimeError, "derivative for pionbench::pion is not implemented"):
            OPS.pion(x).sum().backward()


class Readme(unittest.TestCase):
    """What optim/README.md shows for Python is run, and does what it says."""

    def setUp(self):
        code = "\n".join(re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S))
        self.assertIn("load_library", code)
        self.names = {}
        exec(code.replace("<prefix>/lib/libpionbench_optim_ops.so", LIBRARY), self.names)  # pylint: disable=exec-used

    def test_its_optimizer_steps_as_the_formula_says(self):
        torch.manual_seed(3)
        w = torch.nn.Parameter(torch.randn(6, 9, dtype=torch.float64))
        before, m = w.detach().clone(), torch.zeros(6, 9, dtype=torch.float64)
        optimizer = self.names["Pion"]([w], lr=0.1, momentum=0.9, k_p=2)
        for _ in range(3):
            w.grad = torch.randn(6, 9, dtype=torch.float64)
            m = 0.9 * m + 0.1 * w.grad
            before -= 0.1 * 9**0.5 * by_svd(m, PROMOTION * 2 + SUPPRESSION * 3)
            optimizer.step()
        self.assertLess(off(w.detach(), before), 1e-5)  # eps 1e-7 of a norm about 1


class Gpu(unittest.TestCase):
    def test_maps_and_metrics_agree_with_float64(self):
        for x in samples(torch.float32, "cuda"):
            got = OPS.pion(x, 1)
            self.assertEqual(got.device, x.device)
            self.assertLess(off(got, by_svd(x, PROMOTION + SUPPRESSION * 4)), 1e-3)
            torch.testing.assert_close(OPS.stable_rank(x).cpu(), OPS.stable_rank(x.cpu()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "Gpu" in sys.argv and not torch.cuda.is_available():
        print("no CUDA device")
        sys.exit(3)
    unittest.main(argv=sys.argv[:1] + sys.argv[1:])
