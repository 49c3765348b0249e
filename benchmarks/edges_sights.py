"""What docs/edges.md shows, and what was seen in its pictures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that is shown: what it is, what somebody saw in its picture, and whose photo it is.

    `seen` was written by somebody who looked, and holds for that picture alone: look again at every new one. What is
    drawn has a shape of tests/photo/scenes.py, and a ground, which is a photo or texture of scikit-image's wheel.
    """

    what: str
    seen: str
    source: str
    shape: str = ""
    ground: str = ""


_NASA = "Eileen Collins, NASA; public domain"
_CAT = "Chelsea, by Stefan van der Walt; CC0"
_COFFEE = "by Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0"
SIGHTS = {
    "astronaut": Sight(
        "A helmet, and a suit before a flag",
        "rembg and off leave a dark rim along the suit, rembg -a part of the flag, refine a smear of it at the "
        "lower left and a grey one beside the ring of the helmet, which rembg -a makes transparent.",
        _NASA,
    ),
    "chelsea": Sight(
        "A cat's cheek before its own blurred coat",
        "refine makes solid what the network leaves in haze, and loses the whisker at the top, of which rembg and"
        " off keep a trace.",
        _CAT,
    ),
    "coffee": Sight(
        "A saucer on wood of nearly its own colour",
        "**Ours is worse than off**: the bright rim becomes transparent in places, as it does in rembg -a, and "
        "streaks of the wood stay beside it. rembg has a dark rim.",
        _COFFEE,
    ),
    "rocket": Sight(
        "A tower's struts before the sky at dusk",
        "In the upper row **ours is worse than off**: the struts all but vanish. In the lower one they lose their"
        " blue rim and stay, but for a hole in a lamp; rembg -a loses the tower.",
        "SpaceX; public domain",
    ),
    "drawn-fur": Sight(
        "A drawn ball of hairs that are two pixels wide, on a saucer",
        "A wrong mask: the network takes the saucer for part of it. Refining makes that more solid, so **ours is "
        "the worst of the four**.",
        _COFFEE, "fur", "coffee",
    ),
    "drawn-hairs": Sight(
        "The same ball before gravel",
        "The network has no hair. rembg -a and refine find their beginnings, and no more; where they do, the ball's "
        "own edge becomes transparent inwards, so in the lower row **ours is worse than rembg and off**.",
        "Gravel04, CC0Textures; CC0", "fur", "gravel",
    ),
    "drawn-letters": Sight(
        "Drawn letters before bricks",
        "The network takes mortar for part of them. Refining takes most of it away; where some is left, rembg -a "
        "has less of it.",
        "Bricks25, CC0Textures; CC0", "letters", "brick",
    ),
    "drawn-wheel": Sight(
        "A drawn wheel before grass, its spokes six pixels wide",
        "rembg has dark rims and off bright ones, rembg -a and refine none; refine leaves a blot of grass between"
        " two spokes at the hub, and a bright line at the end of one.",
        "Grass, CC0Textures; CC0", "wheel", "grass",
    ),
    "drawn-bottle": Sight(
        "A drawn bottle before a cat's coat",
        "The network's mask is half transparent inside, which refine mends. A faint veil of the coat stays, where"
        " rembg -a has none.",
        _CAT, "bottle", "chelsea",
    ),
}  # fmt: skip
