"""Sentence patterns for each form of clause.

`[a|b]` is a choice, `{slot}` a fact, `~go` a verb that may become "going". The forms are defined in `clauses.py`.
"""

_GO = "~[go|walk|head|move]"
_STEP = "~[go|walk|step|head]"
_THE = "[your|the]"

# One clause as a phrase.
SINGLE: dict[str, tuple[str, ...]] = {
    "around": ("~turn around", "~turn all the way around", "~turn around"),
    "face": ("~turn {side}", "~turn to your {side}", "~make a {side} turn", "~look to your {side}"),
    "turn": ("~turn {side}", "~turn {side}", "~take a {side}", "~make a {side}", "~[go|head] {side}"),
    "turn_at": (
        "~turn {side} at {thing}",
        "~turn {side} when you [reach|come to|get to] {thing}",
        "~[take|make] a {side} at {thing}",
    ),
    "leave": ("~leave {room}", "~exit {room}", f"{_STEP} out of {{room}}", "~leave {room} through the door"),
    "leave_into": (
        f"{_STEP} out of {{room}} [and |]into {{into}}",
        "~leave {room} [for|and ~enter] {into}",
        "~take the door from {room} [to|into] {into}",
        f"{_GO} from {{room}} into {{into}}",
        "~exit {room} into {into}",
    ),
    "along": ("~[go|walk|head|continue] [down|along] {room}", "~follow {room}", "~[go|walk] straight down {room}"),
    "along_end": (
        "~[go|walk|head|continue] [down|along] {room} to the end",
        "~[go|walk|head] to the end of {room}",
        "~follow {room} to its end",
        "~[go|walk] all the way down {room}",
    ),
    "cross": (f"{_GO} through {{room}}", f"{_GO} across {{room}}", "~cross {room}"),
    "pass": (
        f"{_GO} past {{thing}} on {_THE} {{side}}",
        f"~pass {{thing}} on {_THE} {{side}}",
        "~pass {thing} [which|that] will be on your {side}",
        "~keep {thing} [on|to] your {side}",
        f"~[continue|walk] past {{some}} on {_THE} {{side}}",
    ),
    "enter": ("~enter {room}", f"{_STEP} into {{room}}", f"{_STEP} through the door [to|into] {{room}}"),
    "enter_side": (
        f"~enter {{room}} on {_THE} {{side}}",
        f"~take the door on {_THE} {{side}} [into|to] {{room}}",
        f"{_STEP} through the door on {_THE} {{side}} into {{room}}",
        f"{_STEP} into {{room}} on {_THE} {{side}}",
    ),
    "enter_nth": (
        f"~take the {{nth}} door on {_THE} {{side}} into {{room}}",
        f"~enter {{room}} through the {{nth}} door on {_THE} {{side}}",
        f"{_STEP} into {{room}}, the {{nth}} door on {_THE} {{side}}",
        f"{_STEP} through the {{nth}} door on {_THE} {{side}} into {{room}}",
    ),
    "door_nth": (
        f"~take the {{nth}} door on {_THE} {{side}}",
        f"~enter the room behind the {{nth}} door on {_THE} {{side}}",
        f"{_STEP} through the {{nth}} door on {_THE} {{side}}",
    ),
    "enter_ahead": (
        f"{_STEP} straight [ahead |]into {{room}}",
        "~enter {room} straight ahead",
        f"{_STEP} into {{room}} [in front|ahead] of you",
        "~take the door straight ahead into {room}",
    ),
    "climb": (
        "~[go|walk|climb] {direction} the stairs",
        "~take the stairs {direction}",
        "~take the steps {direction}",
        "~go {direction}stairs",
    ),
    "stop": (
        "~stop {at} {goal}",
        "~wait {at} {goal}",
        "~stop when you [reach|come to|get to] {goal}",
        "~stop {at} {goal}",
        "~stop when you are {at} {goal}",
    ),
    "stop_inside": ("~stop just inside {room}", "~wait just inside {room}", "~stop as soon as you are in {room}"),
    "stop_inside_here": (
        "~stop just inside the door",
        "~wait just inside",
        "~stop [right |just |]behind the door",
        "~stop as soon as you are inside",
    ),
    "stop_middle": ("~stop in the middle of {room}", "~wait in the middle of {room}"),
    "stop_middle_here": ("~stop in the middle", "~wait in the middle of the room", "~stop in the middle of the room"),
}

# The goal if no earlier phrase mentions walking.
APPROACH: dict[str, tuple[str, ...]] = {
    "stop": (
        f"{_GO} [|over |up ]to {{goal}} and ~[stop|wait] [|there]",
        f"{_GO} [|over |up ]to {{goal}} and ~[stop|wait] {{at}} it",
        "~find {goal} and ~[stop|wait] {at} it",
        "~[walk|go] until you are {at} {goal} and ~stop",
        "~look for {goal}, ~[go|walk] to it and ~stop",
        "~stop {at} {goal}",
    ),
    "stop_inside": (f"{_GO} to {{room}} and ~[stop|wait] just inside", "~find {room} and ~stop just inside the door"),
    "stop_middle": (f"{_GO} to the middle of {{room}} and ~[stop|wait]", "~[stop|wait] in the middle of {room}"),
}

# Two clauses in one phrase; the slots of the second have a 2 after their names.
PAIRS: dict[tuple[str, str], tuple[str, ...]] = {
    ("leave", "turn"): (
        "~leave {room} and ~turn {side2}",
        "~turn {side2} [out of|when you leave|as you leave] {room}",
        "~take a {side2} out of {room}",
        f"{_STEP} out of {{room}} and to the {{side2}}",
        "~exit {room}, turning {side2}",
    ),
    ("turn", "along"): (
        "~turn {side} [down|into] {room2}",
        "~[go|head|walk] {side} [down|along] {room2}",
        "~take a {side} and ~follow {room2}",
    ),
    ("turn", "along_end"): (
        "~turn {side} and ~[go|walk] to the end of {room2}",
        "~[go|walk] {side} to the end of {room2}",
    ),
    ("leave", "along"): (f"{_STEP} out of {{room}} and down {{room2}}",),
    ("leave_into", "along"): (
        f"{_STEP} out of {{room}} and [down|along] {{room2}}",
        "~leave {room} and ~follow {room2}",
    ),
    ("leave_into", "along_end"): ("~leave {room} and ~[go|walk] to the end of {room2}",),
    ("leave_into", "turn"): (
        "~leave {room} and ~turn {side2} in {into}",
        "~[go|step|walk] out of {room} into {into} and ~turn {side2}",
    ),
    ("leave_into", "cross"): ("~go from {room} into {into} and ~cross it", "~leave {room} and ~walk through {room2}"),
    ("enter", "cross"): ("~enter {room} and ~[cross it|walk through it]", "~[go|walk] through {room}"),
    ("enter_side", "cross"): ("~turn {side} into {room} and ~[cross it|walk through it]",),
    ("enter_ahead", "cross"): ("~[go|walk] straight through {room}",),
    ("along", "enter_nth"): (
        f"~[go|walk] down {{room}} to the {{nth2}} door on {_THE} {{side2}} and ~enter {{room2}}",
        f"~follow {{room}} until you reach the {{nth2}} door on {_THE} {{side2}} and ~[go|step] into {{room2}}",
    ),
    ("along", "door_nth"): (
        f"~[go|walk] down {{room}} to the {{nth2}} door on {_THE} {{side2}} and ~[go|step] through it",
        f"~follow {{room}} and ~take the {{nth2}} door on {_THE} {{side2}}",
    ),
    ("along", "enter_side"): (
        f"~follow {{room}} until you [see|reach] {{room2}} on {_THE} {{side2}} and ~enter it",
        "~[go|walk] down {room} and ~turn {side2} into {room2}",
    ),
    ("along_end", "enter_ahead"): (
        "~[go|walk|head] down {room} into {room2} at the [very |]end",
        "~enter {room2} at the end of {room}",
        "~follow {room} straight into {room2}",
    ),
    ("cross", "enter"): (f"{_GO} through {{room}} into {{room2}}", f"{_GO} through {{room}} to {{room2}}"),
    ("cross", "enter_side"): (
        "~[go|walk] through {room} into {room2} on [your|the] {side2}",
        "~cross {room} and ~turn {side2} into {room2}",
    ),
    ("cross", "enter_ahead"): (
        "~[go|walk] straight through {room} into {room2}",
        "~cross {room} straight into {room2}",
    ),
    ("pass", "turn"): (f"~turn {{side2}} after {{thing}} on {_THE} {{side}}",),
    ("pass", "stop"): (f"{_GO} past {{thing}} on {_THE} {{side}} to {{goal2}}",),
    ("enter", "stop"): ("~enter {room} and ~[stop|wait] {at2} {goal2}", f"{_STEP} into {{room}} and over to {{goal2}}"),
    ("enter", "stop_inside_here"): ("~enter {room} and ~stop [|just inside|right there]", "~stop just inside {room}"),
    ("face", "leave"): ("~turn {side} and ~[leave|exit] {room2}", "~turn {side} and ~go out of {room2}"),
    ("around", "leave"): ("~turn around and ~[leave|exit] {room2}", "~leave {room2} by the door behind you"),
    ("around", "stop"): ("~turn around and ~[go|walk] to {goal2}", "~turn around and ~find {goal2}"),
    ("face", "stop"): (
        "~turn {side} and ~[go|walk] to {goal2}",
        "~turn {side} and ~stop at {goal2}",
        "~find {goal2} to your {side}",
    ),
}

# A clause as a subordinate clause before the next one; it must express all facts of the clause.
BEFORE: dict[str, tuple[str, ...]] = {
    "leave": ("when you leave {room}", "once you are out of {room}", "outside {room}", "after leaving {room}"),
    "pass": (
        "with {thing} on your {side}",
        "after you pass {thing} on [your|the] {side}",
        "once you are past {thing} on [your|the] {side}",
        "after passing {some} on [your|the] {side}",
    ),
    "along_end": ("at the end of {room}", "when {room} ends", "once you are at the end of {room}"),
    "cross": ("after crossing {room}", "on the [far|other] side of {room}", "after going through {room}"),
    "enter": ("in {room}", "once you are in {room}", "when you enter {room}", "inside {room}"),
    "around": ("after turning around",),
    "turn_at": ("after turning {side} at {thing}",),
    "climb": ("once you are {direction}stairs", "after going {direction} the stairs"),
}

# One clause in as few words as possible.
TERSE: dict[str, tuple[str, ...]] = {
    "around": ("turn around", "around"),
    "face": ("{side}", "turn {side}", "to your {side}"),
    "turn": ("{side}", "turn {side}", "go {side}"),
    "turn_at": ("{side} at {thing}", "turn {side} at {thing}"),
    "leave": ("out of {room}", "exit {room}", "leave {room}"),
    "leave_into": ("out of {room} into {into}", "from {room} to {into}", "exit {room} into {into}"),
    "along": ("down {room}", "straight down {room}", "along {room}"),
    "along_end": ("down {room} to the end", "to the end of {room}"),
    "cross": ("through {room}", "across {room}", "cross {room}"),
    "pass": ("past {thing} on the {side}", "pass {thing} on the {side}", "{thing} on your {side}"),
    "enter": ("into {room}", "enter {room}"),
    "enter_side": ("{room} on the {side}", "{side} into {room}", "door on the {side} into {room}"),
    "enter_nth": (
        "{nth} door on the {side} into {room}",
        "{nth} door {side}, {room}",
        "{room}, {nth} door on the {side}",
    ),
    "door_nth": ("{nth} door on the {side}", "take the {nth} door on the {side}", "{nth} door {side}"),
    "enter_ahead": ("straight into {room}", "straight ahead into {room}", "{room} straight ahead"),
    "climb": ("{direction} the stairs", "{direction}stairs"),
    "stop": ("stop {at} {goal}", "stop at {goal}", "wait {at} {goal}", "to {goal}", "go to {goal}"),
    "stop_inside": ("stop just inside {room}", "wait just inside {room}"),
    "stop_inside_here": ("stop just inside", "stop inside the door"),
    "stop_middle": ("to the middle of {room}", "stop in the middle of {room}"),
    "stop_middle_here": ("to the middle", "stop in the middle"),
}

# The goal as a place, to follow "you should be".
PLACES: dict[str, tuple[str, ...]] = {
    "stop": ("{at} {goal}",),
    "stop_inside": ("just inside {room}",),
    "stop_middle": ("in the middle of {room}",),
}
AT = {"front": ("in front of", "in front of", "at", "by", "near"), "by": ("next to", "by", "beside", "at", "near")}
NEAR = ("next to", "beside", "near", "by")
