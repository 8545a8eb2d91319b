"""Every configuration composes, and a bad value is named before anything starts."""

import csv
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from lth.cli.config import read
from lth.core.checked import hints_of
from lth.core.errors import SettingError
from lth.core.setting import default_of, marks_of, setting
from lth.data.preparation import prepare
from lth.discovery import place, source_of, sources
from lth.from_settings import architecture_digest
from lth.models.lenet import lenet_300_100
from lth.pruning.methods import METHODS
from lth.settings import hash_of
from tests.composing import composed_by_hydra, configuration

TOGETHER = ("model", "task", "recipe", "pruning", "scale")
"""Groups whose options go with all of one another's: each composition, of a third of a second, has one of each."""
LOOP = ("loop=custom", "loop._target_=a.fit", "model=custom", "model._target_=a.B")
NEEDED = {
    "data=custom": ["data._target_=a.b"],
    "model=custom": ["model._target_=a.B"],
    "task=custom": ["task._target_=a.b", "task.metrics=a.c", "+task.better.mae=lower"],
    "loop=custom": LOOP,
    "data=none": LOOP,
}
"""What an option cannot do without."""


def composed(*overrides: str, experiment: str = "imp") -> Any:
    return read(configuration(experiment, *overrides))


@pytest.mark.parametrize(
    "words",
    [
        ["levels=3", "seeds.order=4", "pruning.gradual.begin=5"],
        ["paper=frankle2019/lenet", "recipe.lr=0.1", "arms=[ticket,shuffle]", "arm_levels=null"],
        ["pruning=erk", "pruning.layer_densities={fc*: 0.1, output: 1.0}", "+pruning.fractions.conv=0.1"],
        ["model=mlp", "model.widths=[16,8]", "data.root='a b'", "recipe.schedule=cosine", "recipe.schedule=constant"],
    ],
)
def test_a_kept_composition_with_other_values_is_hydras(words):
    assert configuration("imp", *words) == composed_by_hydra("imp", *words)


def options(group: str) -> list[str]:
    return sorted(path.stem for path in Path(place("conf") / group).glob("*.yaml"))


def choices() -> list[tuple[str, ...]]:
    """Choices of groups that have every option of every group, at least once."""
    known = [options(group) for group in TOGETHER]
    several = [[names[turn % len(names)] for names in known] for turn in range(max(map(len, known)))]
    alone = [(f"{group}={option}",) for group in ("data", "loop") for option in options(group)]
    return alone + [tuple(map("=".join, zip(TOGETHER, names, strict=True))) for names in several]


@pytest.mark.parametrize("words", choices(), ids=" ".join)
def test_every_option_of_every_group_composes(words):
    needed = [need for word in words for need in NEEDED.get(word, ())]
    assert composed(*dict.fromkeys([*needed, *words]))


def test_a_loop_of_ones_own_brings_its_data_and_the_recipe_of_lths_is_none_of_its_setting():
    own = composed(*LOOP)
    assert own.data.name == "none" and own.about("iterative")["data"] == "a.fit"
    assert composed(*LOOP, "data=mnist").data.name == "mnist"
    assert own.setting() == composed(*LOOP, "recipe.lr=0.5", "probe_every=7", "loop.check=true").setting()
    others = ("loop.version=2", "+loop.args.steps=3", "loop.decide=val_loss", "+loop.better.bleu=higher")
    assert len({own.setting(), *(composed(*LOOP, word).setting() for word in others)}) == 5


@pytest.mark.parametrize("word", ["data=none", "loop._target_=a.fit", "loop.args.steps=3", "loop.check=true"])
def test_what_is_for_a_loop_of_ones_own_alone_is_an_error_without_one(word):
    with pytest.raises(SettingError, match="is for loop=custom"):
        composed(f"+{word}" if "args" in word else word)


def test_a_network_of_lths_needs_data():
    with pytest.raises(SettingError, match="takes its inputs and classes from data"):
        composed(*LOOP[:2])


@pytest.mark.parametrize(("experiment", "scale"), list(product(sources(), ("smoke", "quick", "paper"))))
def test_every_experiment_composes_at_every_scale(experiment, scale):
    assert composed(f"scale={scale}", experiment=experiment)


def papers() -> list[str]:
    folder = place("conf") / "paper"
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.glob("*/[!_]*.yaml"))


@pytest.mark.parametrize(("paper", "scale"), list(product(papers(), ("smoke", "quick", "paper"))))
def test_every_paper_composes_at_every_scale(paper, scale):
    experiments = {"evci2022": "gradient_flow", "frankle2021": "at_init", "minegishi2023": "grokking"}
    experiments |= {"frankle2020": "stability"}
    experiment = experiments.get(paper.split("/")[0], "imp")
    settings = composed(f"paper={paper}", f"scale={scale}", experiment=experiment)
    assert settings.paper == paper and settings.scale == scale
    assert not paper.startswith("frankle2019") or {"ticket", "reinit"} <= set(settings.arms)


def test_the_lenet5_preset_has_the_papers_recipe():
    for scale in ("quick", "paper"):
        settings = composed("paper=evci2022/lenet5", f"scale={scale}", experiment="gradient_flow")
        recipe, gradual = settings.recipe, settings.gradual
        assert (recipe.iterations, recipe.batch_size, recipe.lr, recipe.momentum) == (11_719, 128, 0.05, 0.9)
        assert (recipe.schedule, recipe.weight_decay, recipe.decay) == ("cosine", 1e-3, "weights")
        assert (gradual.density, gradual.begin, gradual.end, gradual.every) == (0.05, 3_000, 7_000, 100)
        assert (settings.data.name, settings.data.validation, settings.data.normalize) == ("mnist", 0, "unit")
        assert (settings.model.name, settings.model.initializer) == ("lenet5", "glorot_uniform")
        assert (settings.repeats, settings.redraw) == ({"quick": 3, "paper": 5}[scale], True)
        assert {"scratch", "scratch_one_init", "scratch_plus", "scratch_plus_glorot"} <= set(settings.inits)
        rewiring = settings.rewiring
        assert (rewiring.drop, rewiring.every, rewiring.stop, rewiring.anneal) == (0.3, 100, None, "learning_rate")


def test_a_paper_of_another_experiment_is_refused():
    with pytest.raises(SettingError, match="is a paper of lth gradient_flow, not of lth imp"):
        composed("paper=evci2022/lenet5")
    with pytest.raises(ConfigCompositionException):
        composed("paper=frankle2019/lenet", experiment="gradient_flow")
    with pytest.raises(SettingError, match="is a paper of lth at_init, not of lth imp"):
        composed("paper=frankle2021/lenet_300_100")


def test_the_setting_of_gradient_flow_leaves_out_seeds_extent_and_machine():
    base = composed(experiment="gradient_flow")
    for override in ("seed=3", "repeats=2", "inits=[pruned]", "methods=[]", "worker=1", "outputs=x"):
        assert composed(override, experiment="gradient_flow").setting() == base.setting(), override
    plus = "model.plus_initializer=layer_scaled"
    for override in ("recipe.lr=0.1", "gradual.density=0.1", "rewiring.drop=0.1", plus, "redraw=true"):
        assert composed(override, experiment="gradient_flow").setting() != base.setting(), override
    assert composed("worker=1", experiment="gradient_flow").replicate() == base.replicate()
    assert composed("repeats=2", experiment="gradient_flow").replicate() != base.replicate()


def test_the_setting_of_at_init_is_that_of_one_method_without_seeds_extent_and_machine():
    base = composed(experiment="at_init")
    of = {method: base.of(method).setting() for method in base.methods}
    assert len(set(of.values())) == len(of) == 7
    for override in ("seed=3", "levels=20", "arm_levels=[1]", "arms=[ticket]", "draws=2", "methods=[imp]", "outputs=x"):
        assert composed(override, experiment="at_init").of("imp").setting() == of["imp"], override
    assert composed("pruning.fraction=0.3", experiment="at_init").of("snip").setting() != of["snip"]
    later = composed("rewind=5", experiment="at_init")  # a mask from initialisation is trained from there
    assert later.of("snip").setting() == of["snip"] and later.of("imp").setting() != of["imp"]
    assert later.of("snip").rewind == 0 and later.of("imp").rewind == 5 and later.methods == base.methods


def test_the_preset_of_frankle2021_has_the_recipe_of_the_authors_code():
    settings = composed("paper=frankle2021/lenet_300_100", "scale=paper", experiment="at_init")
    recipe = settings.recipe
    assert (recipe.iterations, recipe.batch_size, recipe.lr, recipe.momentum) == ("40ep", 128, 0.1, 0.0)
    assert (settings.data.name, settings.data.validation, settings.model.initializer) == ("mnist", 0, "kaiming_normal")
    quick = composed("paper=frankle2021/lenet_300_100", experiment="at_init")
    assert quick.control_levels == [7, 13, 17] and quick.pruning.scope == "global" and quick.draws == 3


@pytest.mark.parametrize(
    ("name", "iterations", "lr"), [("conv2", 20_000, 2e-4), ("conv4", 25_000, 3e-4), ("conv6", 30_000, 3e-4)]
)
def test_the_conv_presets_have_the_papers_recipes(name, iterations, lr):
    for scale in ("paper",) if name == "conv2" else ("quick", "paper"):  # Conv-2 is shorter at scale=quick
        settings = composed(f"paper=frankle2019/{name}", f"scale={scale}")
        assert (settings.recipe.iterations, settings.recipe.lr, settings.recipe.batch_size) == (iterations, lr, 60)
        assert settings.data.name == "cifar10" and settings.model.name == name
        assert settings.pruning.fractions == {"conv": 0.15 if name == "conv6" else 0.1, "linear": 0.2, "output": 0.1}
    assert composed(f"paper=frankle2019/{name}", "scale=paper").draws == 3


def test_conv2_at_quick_prunes_two_of_the_papers_levels_at_once():
    quick, paper = (composed("paper=frankle2019/conv2", f"scale={scale}") for scale in ("quick", "paper"))
    kept = {kind: (1 - fraction) ** 2 for kind, fraction in paper.pruning.fractions.items()}
    assert {kind: 1 - fraction for kind, fraction in quick.pruning.fractions.items()} == pytest.approx(kept)
    assert quick.control_levels == [2, 4, 7]


def test_the_lenet_preset_has_the_papers_recipe():
    settings = composed("paper=frankle2019/lenet", "scale=paper")
    assert (settings.recipe.iterations, settings.recipe.lr, settings.draws, settings.levels) == (50_000, 1.2e-3, 3, 20)
    assert settings.data.validation == 5_000 and settings.pruning.fractions == {"output": 0.1}


def test_one_shot_tickets_may_have_arms_of_their_own():
    words = ["paper=frankle2019/lenet", "pruning.schedule=one_shot"]
    assert composed(*words).scheduled_arms == ["ticket"] and "reinit" in composed(*words, "scale=paper").scheduled_arms
    assert "reinit" in composed("paper=frankle2019/lenet").scheduled_arms


def test_the_presets_of_a_scale_can_be_overridden():
    assert composed("scale=smoke").levels == 2
    assert composed("scale=smoke", "levels=5").levels == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("line_examples=0", "line_examples=0: must be at least 2"),
        ("levels=-1", "levels=-1: must be at least 0"),
        ("levels=1000000", "levels=1000000: must be at least 0 and at most 1000"),
        ("levels=1.5", "levels=1.5: must be int"),
        ("levels=true", "levels=True: must be int"),
        ("levels=null", "levels=null: must be int"),
        ("recipe.lr=2147483648", "recipe.lr=2147483648.0: must lie above 0 and at most 1000"),
        ("recipe.weight_decay=2147483648", "recipe.weight_decay=2147483648.0: must be at least 0"),
        ("recipe.momentum=1", "recipe.momentum=1.0: must be at least 0 and below 1"),
        ("arms=[]", r"arms=\[\]: must name at least one"),
        ("arms=[ticket,reinit,reinit]", "arms=reinit: is named twice"),
        ("arm_levels=[true]", "arm_levels=True: must be int"),
        ("arm_levels=[1,1]", "arm_levels=1: is named twice"),
        ("arm_levels=[]", r"arm_levels=\[\]: must name at least one"),
        ("pruning.gradual.begin=abc", "pruning.gradual.begin=abc: must be a duration"),
        ("rewiring.drop=2147483648", "rewiring.drop=2147483648.0: must lie above 0 and below 1"),
        ("seed=-1", "seed=-1: must be at least 0"),
        ("seed=1180591620717411303424", "seed=1180591620717411303424: must be at least 0"),
        ("threads=100000", "threads=100000: must be at least 1"),
        ("wandb.tags=[[1]]", r"wandb.tags=\[1\]: must be text"),
        ("wandb.project=''", "wandb.project='': must not be empty"),
        ("+recipe.nope=1", "recipe.nope=1: is no setting"),
        ("threads=0", "threads=0"),
        ("arm_levels=some", "arm_levels=some"),
        ("pruning.fraction=1", "pruning.fraction=1.0: must lie above 0 and below 1"),
        ("pruning.fractions.output=-0.1", "pruning.fractions.output=-0.1"),
        ("pruning.scope=tree", "pruning.scope=tree: must be one of layerwise, global"),
        ("pruning.granularity=row", "pruning.granularity=row: must be weight, output, input, or N:M"),
        ("pruning.layer_densities=even", "pruning.layer_densities=even: must be uniform, erk"),
        ("pruning.scope=groups", "pruning.groups=None: goes with pruning.scope=groups"),
        ("recipe.optimizer=lion", "recipe.optimizer=lion"),
        ("recipe.schedule=step", "recipe.milestones"),
        ("recipe.lr=0", "recipe.lr=0.0"),
        ("recipe.lr=nan", "recipe.lr=nan"),
        ("recipe.batch_size=0", "recipe.batch_size=0"),
        ("store.checkpoint_seconds=-1", "store.checkpoint_seconds=-1.0"),
        ("wandb.mode=on", "wandb.mode=on"),
        ("wandb.project=a/b", "wandb.project=a/b"),
        ("wandb.entity=a:b", "wandb.entity=a:b"),
        ("wandb.tags=[good,'']", "wandb.tags="),
        (f"wandb.tags=[{65 * 'x'}]", "wandb.tags=x"),
        ("data=custom", "data=custom: needs"),
        ("model=custom", "model=custom: needs"),
        ("model._target_=a.B", "is for model=custom"),
        ("+model.args.x=1", "model=.* takes no arguments"),
        ("+data.args.x=1", "data=.* takes no arguments"),
    ],
)
def test_a_bad_value_is_named_with_its_key(override, message):
    with pytest.raises(SettingError, match=message.replace("(", r"\(")):
        composed(override)


def test_the_setting_leaves_out_seeds_extent_and_machine():
    base = composed().setting()
    for override in ("seed=3", "seeds.order=4", "levels=3", "arms=[ticket]", "draws=2", "outputs=x", "device=cpu"):
        assert composed(override).setting() == base, override
    others = ("data=digits", "model=mlp", "pruning=global", "rewind=5", "data.validation=7", "rewiring.drop=0.1")
    for override in ("recipe.lr=0.1", *others):
        assert composed(override).setting() != base, override


def test_the_setting_of_rows_adds_what_the_session_knows():
    base = composed()
    others = [
        base.setting("data"),
        base.setting("", "architecture"),
        composed("threads=2").setting(),
        composed("data.root=y").setting(),
    ]
    assert len({base.setting(), *others}) == 5
    assert composed("data.root=y").setting("data") == base.setting("data"), "what the data hold counts, not where"


def test_the_hashes_of_older_results_stay():
    """As they were before pruning had shapes, groups, densities, and scores at initialisation."""
    known = {
        (): ("4b1740e478", "b84688bafd5f"),
        ("pruning=global",): ("d2c7efa37f", "48e873338605"),
        ("pruning.score=random",): ("6f5d513779", "3de44507719a"),
        ("pruning.schedule=one_shot",): ("004cb76be4", "9b0508a2c789"),
        ("rewiring.drop=0.1", "rewiring.anneal=learning_rate"): ("d494ba0be9", "d68cba9bc9d3"),
        ("pruning.granularity=output",): ("57fde39882", "429ba5baa328"),
        ("pruning=erk",): ("9dc6ef6ae8", "4f46ea01ced7"),
        ("pruning=snip",): ("84edafb2e4", "0e745f9a900d"),
        ("pruning.schedule=gradual",): ("8efc142715", "e60ff6fc9363"),
    }
    for overrides, expected in known.items():
        settings = composed(*overrides)
        assert (settings.setting(), settings.replicate()) == expected, overrides
    base = known[()][0]
    others = [
        "pruning.score_at=init",
        "pruning.granularity='2:4'",
        "pruning.norm=1",
        "pruning.steps=2",
        "pruning.examples=1",
    ]
    others += ["pruning.layer_densities=erk", "pruning.tolerance=0.02", "pruning.gradual.begin=5"]
    others += ["+pruning.fractions.conv=0.1"]
    assert len({base, *(composed(override).setting() for override in others)}) == len(others) + 1


def test_groups_and_densities_are_written_as_they_are_said():
    settings = composed("pruning.scope=groups", "pruning.groups={convs: ['conv*'], rest: ['*']}").pruning
    assert settings.groups == {"convs": ["conv*"], "rest": ["*"]}
    assert composed("pruning.layer_densities={fc*: 0.1, output: 1.0}").pruning.layer_densities == {
        "fc*": 0.1,
        "output": 1.0,
    }
    pruning = composed("pruning=sensitivity").pruning
    shared = (pruning.layer_densities, pruning.tolerance, pruning.scope, pruning.fractions)
    assert shared == ("sensitivity", 0.01, "layerwise", {})
    pruning = composed("pruning=synflow").pruning
    assert (pruning.score, pruning.score_at) == ("synflow", "init")
    assert (pruning.schedule, pruning.scope) == ("one_shot", "global")


MNIST = "5d5ec14a3c1a2c55a790ad865420cb49"
"""The digest of the prepared file."""


def frankle2019() -> dict[str, str]:
    images, labels = torch.zeros(20, 1, 28, 28, dtype=torch.uint8), torch.arange(20) % 10
    tensors = {
        f"{part}_{kind}": x for part in ("train", "test") for kind, x in (("images", images), ("labels", labels))
    }
    architecture = architecture_digest(lenet_300_100((1, 28, 28), 10), prepare("mnist", tensors))
    return {
        schedule: composed("paper=frankle2019/lenet", f"pruning.schedule={schedule}").setting(MNIST, architecture)
        for schedule in ("iterative", "one_shot")
    }


def evci2022() -> dict[str, str]:
    return {"gradual": composed("paper=evci2022/lenet5", "redraw=false", experiment="gradient_flow").setting()}


def frankle2021() -> dict[str, str]:
    settings = composed("paper=frankle2021/lenet_300_100", experiment="at_init")
    return {METHODS[method].word(): settings.of(method).setting() for method in settings.methods}


@pytest.mark.parametrize("of", [frankle2019, evci2022, frankle2021])
def test_the_published_results_have_the_settings_of_their_commands(of):
    published = place("conf").parent / "outputs" / "reference" / of.__name__ / "results.csv"
    with published.open() as file:
        assert {row["schedule"]: row["setting"] for row in csv.DictReader(file)} == of()


def test_each_kind_of_ticket_has_a_setting_of_its_own():
    settings = composed("data=mnist", "model=lenet5", "scale=paper", experiment="deploy")
    assert {kind: replace(settings, pruning=pruning).setting() for kind, (pruning, _) in settings.kinds.items()} == {
        "weights": "0903c0e0b9",
        "channels": "4614340571",
        "2:4": "364c19f96d",
        "1:4": "420a517607",
    }


def test_the_replicate_differs_by_seed_and_extent_but_not_by_machine():
    base = composed().replicate()
    for override in ("seed=3", "seeds.order=4", "levels=3", "arms=[ticket]"):
        assert composed(override).replicate() != base, override
    for override in ("outputs=x", "device=cpu", "wandb.mode=offline"):
        assert composed(override).replicate() == base, override


@pytest.mark.parametrize(
    ("experiment", "overrides", "name"),
    [
        ("imp", [], "b84688bafd5f"),
        ("imp", ["levels=3", "seed=2"], "6761a3a4ab0f"),
        ("imp", ["line_examples=50"], "b84688bafd5f"),
        ("imp", ["probes=[distance]"], "2a2d5d57593c"),
        ("imp", ["probes=[interpolation]", "line_examples=50"], "ecf692863769"),
        ("at_init", [], "f8c55ec1cb39"),
        ("gradient_flow", [], "b9ee56f031c2"),
        ("gradient_flow", ["line_examples=50"], "5000affe0c11"),
    ],
)
def test_replicates_keep_their_names(experiment, overrides, name):
    assert composed(*overrides, experiment=experiment).replicate() == name


def test_probes_change_the_replicate_and_never_the_setting():
    probed = composed("probes=[interpolation]")
    few = composed("probes=[interpolation]", "line_examples=50")
    assert len({composed().replicate(), probed.replicate(), few.replicate()}) == 3
    assert composed().setting() == probed.setting() == few.setting() == "4b1740e478"


def test_the_whole_configuration_can_be_written_as_yaml():
    assert "seeds:" in OmegaConf.to_yaml(configuration("imp"))


@dataclass
class Inner:
    kept: int = setting(1, "is in both hashes")
    machine: str = setting("cpu", "is in none", unhashed=True)


@dataclass
class Outer:
    inner: Inner = setting(Inner, "holds others")
    extent: int = setting(3, "is in the replicate alone", unhashed="setting")
    later: int = setting(0, "is in a hash where it differs", unhashed_at_default=True)
    detail: int = setting(5, "matters with `later` alone", unhashed_without="later")
    renamed: int = setting(7, "has another name in hashes", hashed_as="old")
    alike: str = setting("new", "new gives the results of old", hashed_like={"new": "old"})


@dataclass
class Ruled(Inner):
    rule: str = setting("new", "is not in the setting where older results imply it", implied=("older",))


def hashes(**values: Any) -> tuple[str, str]:
    return hash_of(Outer(**values), "setting", 8), hash_of(Outer(**values), "replicate", 8)


@pytest.mark.parametrize(
    ("values", "setting_differs", "replicate_differs"),
    [
        ({"inner": Inner(kept=2)}, True, True),
        ({"inner": Inner(machine="cuda")}, False, False),
        ({"extent": 4}, False, True),
        ({"later": 1}, True, True),
        ({"detail": 6}, False, False),
        ({"renamed": 8}, True, True),
        ({"alike": "old"}, False, False),
        ({"alike": "other"}, True, True),
    ],
)
def test_each_field_says_which_hashes_it_is_in(values, setting_differs, replicate_differs):
    base, changed = hashes(), hashes(**values)
    assert (base[0] != changed[0], base[1] != changed[1]) == (setting_differs, replicate_differs)


def test_a_value_that_older_results_imply_is_not_in_their_setting():
    older, newer, before = Ruled(rule="older"), Ruled(), Inner()
    assert hash_of(older, "setting", 8) == hash_of(before, "setting", 8) != hash_of(newer, "setting", 8)
    assert len({hash_of(settings, "replicate", 8) for settings in (older, newer, before)}) == 3


def test_a_field_that_depends_on_another_is_hashed_with_it():
    assert hashes(later=1) != hashes(later=1, detail=6)


def test_lists_and_dicts_are_not_shared_between_settings():
    first, second = composed().wandb, type(composed().wandb)()
    first.tags.append("mine")
    assert second.tags == [] == type(second)().tags


def has_number(hint: Any) -> bool:
    """Whether values of the type, or in them, are numbers or durations."""
    return hint in (int, float) or (hint is not bool and any(map(has_number, get_args(hint))))


@pytest.mark.parametrize("experiment", list(sources()))
def test_every_number_has_bounds(experiment):
    pending = [("", source_of(experiment).settings)]
    while pending:
        prefix, kind = pending.pop()
        for entry in fields(kind):
            hint, marks = hints_of(kind)[entry.name], marks_of(entry)
            if is_dataclass(hint):
                pending.append((f"{prefix}{entry.name}.", hint))
            elif has_number(hint) and str in get_args(hint) + tuple(y for x in get_args(hint) for y in get_args(x)):
                assert marks.low is not None, f"{prefix}{entry.name}: a duration says whether it may be 0"
            elif has_number(hint):
                assert marks.bounded, prefix + entry.name


@pytest.mark.parametrize("experiment", list(sources()))
def test_every_key_has_a_meaning(experiment):
    internal = {"experiment", "scale", "paper", "model.name"}
    pending = [("", source_of(experiment).settings)]
    while pending:
        prefix, settings = pending.pop()
        for entry in fields(settings):
            assert marks_of(entry).meaning or prefix + entry.name in internal, prefix + entry.name
            if is_dataclass(default := default_of(entry)):
                pending.append((f"{prefix}{entry.name}.", type(default)))


def test_the_task_of_the_data_is_in_no_hash_and_any_other_is():
    base = composed()
    alike = [composed("task=classification"), base]
    words = ("task=regression", "task.label_smoothing=0.1", "task.decide=val_accuracy", "task.class_weights=[1,2]")
    hashes = [settings.setting("data") for settings in (*alike, *map(composed, words))]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 1 + len(words)
    with pytest.raises(SettingError, match=r"task.metrics=a.b: is for task=custom, not auto"):
        composed("task.metrics=a.b")
    with pytest.raises(SettingError, match=r"task=custom: needs task._target_=my_module.my_loss"):
        composed("task=custom")
