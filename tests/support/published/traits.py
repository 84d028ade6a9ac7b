"""The traits: of each a HOC text, the mechanisms that it needs, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass

CELL = """
load_file("stdrun.hoc")
create soma
soma { L = 20  diam = 20  insert hh  insert hva }
objref c
soma c = new IClamp(0.5)
c.del = 1
c.dur = 1e9
c.amp = 0.3
celsius = 20
v_init = -65
"""


@dataclass(frozen=True)
class Trait:
    """A model. text: of cell.hoc. random: whether another seed makes another run. start: how its author starts it, in
    HOC. neuron: more lines of [neuron]. refused: what resuming, and nothing else, is refused for.
    """

    name: str
    text: str
    random: bool = False
    start: str = "finitialize(v_init)"
    neuron: str = ""
    refused: str = ""


def _on(name: str, more: str, *, random: bool = False, start: str = "", neuron: str = "", refused: str = "") -> Trait:
    """A trait of a cell that is otherwise plain."""
    return Trait(name, CELL + more, random, start or "finitialize(v_init)", neuron, refused)


TRAITS = (
    _on("pool", "soma { insert pool  insert kslow }"),
    _on("pool_and_eca", "soma { insert pool_eca  insert kslow }"),
    _on("fixed_eca", 'soma { insert pool  insert kslow  eca = 140  ion_style("ca_ion", 0, 1, 0, 0, 0) }'),
    _on("two_calcium_ions", "soma { insert pool  insert cat2  insert kslow }"),
    _on("ghk", "soma { insert pool  insert ghkca  insert kslow }"),
    _on("mosinit", "tstop = 7\nproc figure() { run() }\nfigure()\nc.amp = 0.25\nfigure()"),
    _on(
        "gap",
        """
create other
other { L = 20  diam = 20  insert hh  el_hh = -40 }
objref a, b
soma a = new HalfGap(0.5)
other b = new HalfGap(0.5)
setpointer a.vgap, other.v(0.5)
setpointer b.vgap, soma.v(0.5)
""",
    ),
    _on("watch", "objref p\nsoma p = new Watcher(0.5)"),
    _on("file_local", "objref p\nsoma p = new FileLocal(0.5)", refused='filelocal.mod keeps "nn"'),
    _on(
        "linear_mechanism",
        """
objref cm_, g_, y_, b_, lm
cm_ = new Matrix(2, 2)
g_ = new Matrix(2, 2)
y_ = new Vector(2)
b_ = new Vector(2)
g_.x[0][0] = -1e-4
g_.x[1][1] = 1
cm_.x[1][1] = 5
b_.x[1] = -20
b_.x[0] = 0.01
soma lm = new LinearMechanism(cm_, g_, y_, b_, 0.5)
""",
    ),
    _on("extracellular", "soma { insert extracellular  xg = 1e-4  xc = 1  xraxial = 1e3 }"),
    _on(
        "vector_play",
        """
objref tv, yv
tv = new Vector(100)
tv.indgen(0, 1)
yv = new Vector(100)
yv.indgen(0, 0.01)
yv.play(&c.amp, tv, 1)
""",
    ),
    _on("played_random", "objref r\nr = new Random(7)\nr.normal(0.1, 0.2)\nr.play(&c.amp)", random=True),
    _on(
        "played_odd",
        """
objref r, q
r = new Random(7)
r.normal(0.1, 0.2)
r.repick()
r.play(&c.amp)
q = new Random()
q.MCellRan4(5, 3)
q.lognormal(0.1, 0.1)
q.play(&c.amp)

""",
        random=True,
    ),
    _on("played_ran4", "objref r\nr = new Random()\nr.MCellRan4(5)\nr.normal(0.1, 0.2)\nr.play(&c.amp)", random=True),
    _on(
        "played_random123",
        "objref r\nr = new Random()\nr.Random123(1, 2, 3)\nr.negexp(0.3)\nr.play(&c.amp)",
        random=True,
    ),
    _on(
        "netstim",
        """
objref s, n[2], k[2]
soma s = new ExpSyn(0.5)
for i = 0, 1 {
  n[i] = new NetStim()
  n[i].interval = 2
  n[i].number = 1e9
  n[i].start = 0
  n[i].noise = 1
  k[i] = new NetCon(n[i], s, 0, 1.3, 0.02)
}
""",
        random=True,
    ),
    _on(
        "ap_count",
        """
objref a, s, k
soma a = new APCount(0.5)
soma s = new ExpSyn(0.5)
soma k = new NetCon(&v(0.5), s, -20, 1, 0.02)
""",
    ),
    _on(
        "threads",
        """
objref pc
pc = new ParallelContext()
pc.nthread(2)
create other
other { L = 20  diam = 20  insert hh  insert pool }
""",
    ),
    _on("normrand", "objref p\nsoma p = new Jitter(0.5)", random=True),
    _on("hidden", "objref p\nsoma p = new Hidden(0.5)", random=True),
    _on("scop_random", "objref p\nsoma p = new Uniform(0.5)", random=True),
    _on("ran4_in_mod", "objref p\nsoma p = new Ran4(0.5)", random=True),
    _on("random_in_mod", "objref p\nsoma p = new Random9(0.5)", random=True),
    _on(
        "random_pointer",
        """
objref p, r
soma p = new RandomPointer(0.5)
r = new Random()
r.Random123(4, 5, 6)
r.normal(0, 1)
p.noise_from(r)
""",
        random=True,
    ),
    _on("random_pointer_null", "objref p\nsoma p = new RandomPointer(0.5)"),
    _on("static", "objref p\nsoma p = new Static(0.5)", refused='static.mod keeps "steps_c"'),
    _on(
        "stream_in_c",
        "objref p\nsoma p = new CStream(0.5)\np.setRNG(7, 8, 9)",
        random=True,
        refused="cstream.mod has a random stream of its own",
    ),
    _on(
        "hoc_event_in_object",
        """
begintemplate Driver
public begin
objref fih, cvode, clamp, this
proc init() {
  cvode = new CVode()
  clamp = $o1
  count = 0
  fih = new FInitializeHandler("begin()", this)
}
proc begin() {
  count = 0
  cvode.event(1, "more()")
}
proc more() { local step
  step = 0.05
  count = count + 1
  clamp.amp = step*count
  cvode.event(t + 3, "more()")
}
endtemplate Driver
objref d
d = new Driver(c)
""",
        refused="an object of Driver has a statement waiting",
    ),
    _on(
        "hoc_event",
        """
objref cvode, fih
cvode = new CVode()
count = 0
proc more() {
  count = count + 1
  c.amp = 0.05*count
  cvode.event(t + 3, "more()")
}
proc begin() {
  count = 0
  cvode.event(1, "more()")
}
fih = new FInitializeHandler("begin()")
""",
    ),
    _on(
        "events_change_objects",
        """
objref cvode, fih, seen, now, clamps[2]
seen = new Vector()
cvode = new CVode()
for i = 0, 1 {
  soma clamps[i] = new IClamp(0.5)
  clamps[i].dur = 1e9
  clamps[i].del = 0
}
proc more() {
  seen.append(t)
  if (now == clamps[0]) { now = clamps[1] } else { now = clamps[0] }
  now.amp = 0.02*seen.size()
  cvode.event(t + 3, "more()")
}
proc begin() {
  seen.resize(0)
  now = clamps[0]
  clamps[0].amp = 0
  clamps[1].amp = 0
  cvode.event(3, "more()")
}
fih = new FInitializeHandler("begin()")
""",
    ),
    _on(
        "init_with_cvode",
        """
proc init() {
  finitialize(v_init)
  cvode_active(1)
  t = -100
  while (t < -1) { fadvance() }
  cvode_active(0)
  dt = 0.025
  t = 0
  fcurrent()
  frecord_init()
}
""",
        start="init()",
    ),
    _on(
        "own_init",
        """
soma { insert pas  g_pas = 5e-4 }
proc init() {
  soma { ek = -90  ena = 55 }
  finitialize(v_init)
  fcurrent()
  soma { e_pas = v + (ina + ik)/g_pas }
  finitialize(v_init)
}
""",
        start="init()",
    ),
    _on(
        "init_runs_before",
        """
soma insert pool
proc init() {
  finitialize(v_init)
  t = -50
  dt = 0.1
  while (t < -0.05) { fadvance() }
  dt = 0.025
  t = 0
  fcurrent()
  frecord_init()
}
""",
        start="init()",
    ),
    _on(
        "starts_from_a_state",
        """
objref state
proc prepare() {
  finitialize(v_init)
  while (t < 7) { fadvance() }
  state = new SaveState()
  state.save()
}
proc begin() {
  finitialize(v_init)
  state.restore()
  t = 0
  fcurrent()
  frecord_init()
}
dt = 0.025
prepare()
""",
        start="begin()",
        neuron='init = "begin"',
    ),
    _on(
        "cvode",
        "objref cv\ncv = new CVode()\ncv.active(1)",
        start="{ cvode_active(0)  finitialize(v_init) }",
        neuron='cvode = "off"',
    ),
    Trait(
        "template",
        """
load_file("stdrun.hoc")
begintemplate Cell
public soma, dend
create soma, dend[2]
proc init() { local i
  create soma, dend[2]
  soma { L = 20  diam = 20  insert hh  insert hva  insert pool }
  for i = 0, 1 { connect dend[i](0), soma(1) }
  for i = 0, 1 dend[i] { L = 100  diam = 1  nseg = 3  insert pas }
}
endtemplate Cell
objref cell, c
cell = new Cell()
cell.soma c = new IClamp(0.5)
c.del = 1
c.dur = 1e9
c.amp = 0.3
v_init = -70
""",
    ),
)
