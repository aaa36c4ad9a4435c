//! Which overload of a function or operator a call means, by PostgreSQL's documented algorithm.
//!
//! Source: <https://www.postgresql.org/docs/15/typeconv-oper.html>, <https://www.postgresql.org/docs/15/typeconv-func.html>

use super::cast::{can_coerce, category, is_polymorphic, is_preferred};
use crate::function::{CastContext, Function, Operator};
use crate::types::{catalog, oid};

/// The outcome of choosing among overloads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice<T> {
    One(T),
    /// Several fit equally: 42725.
    Ambiguous,
    /// None fits: 42883.
    Missing,
}

/// The declared types of a function for `count` arguments.
pub(super) fn declared(function: &Function, count: usize) -> Vec<u32> {
    let mut types = function.arguments.to_vec();
    if let Some(variadic) = function.variadic {
        types.resize(count.max(types.len()), variadic);
    }
    types
}

/// Chooses the function for arguments of these types.
pub(super) fn function(overloads: &'static [Function], inputs: &[u32]) -> Choice<&'static Function> {
    let candidates: Vec<(Vec<u32>, &'static Function)> = overloads
        .iter()
        .filter(|function| match function.variadic {
            None => function.arguments.len() == inputs.len(),
            Some(_) => inputs.len() > function.arguments.len(),
        })
        .map(|function| (declared(function, inputs.len()), function))
        .collect();
    let untyped = inputs.iter().take_while(|input| **input == oid::UNKNOWN).count();
    let ambiguous = |function: &Function| {
        let same = |(name, count, arity): &(&str, usize, usize)| {
            *name == function.name && *arity == inputs.len() && untyped >= *count
        };
        AMBIGUOUS_UNKNOWN.iter().any(same)
    };
    if candidates.iter().any(|(_, function)| ambiguous(function)) {
        return Choice::Ambiguous;
    }
    choose(candidates, inputs)
}

/// Functions that PostgreSQL has over types that are not offered here too (text search vectors, MAC addresses, bit strings),
/// which make so many untyped arguments at the start ambiguous, of so many.
const AMBIGUOUS_UNKNOWN: [(&str, usize, usize); 5] =
    [("bit_count", 1, 1), ("get_bit", 2, 2), ("set_bit", 2, 3), ("trunc", 1, 1), ("unnest", 1, 1)];

/// Chooses the operator for operands of these types.
pub(super) fn operator(overloads: &'static [Operator], left: Option<u32>, right: u32) -> Choice<&'static Operator> {
    let all: Vec<(Vec<u32>, &'static Operator)> = overloads
        .iter()
        .filter(|operator| operator.left.is_some() == left.is_some())
        .map(|operator| (operator.left.into_iter().chain([operator.right]).collect(), operator))
        .collect();
    let inputs: Vec<u32> = left.into_iter().chain([right]).collect();
    // An unknown operand beside a known one is first taken to be of the same type.
    if let Some(left) = left
        && (left == oid::UNKNOWN) != (right == oid::UNKNOWN)
    {
        let known = if left == oid::UNKNOWN { right } else { left };
        if let Some((_, found)) = all.iter().find(|(types, _)| types.iter().all(|declared| *declared == known)) {
            return Choice::One(found);
        }
        // Beside an array it is an array of the same type before it is an element.
        let arrays = |types: &[u32]| types.iter().all(|declared| *declared == oid::ANYARRAY);
        if catalog::element_of(known).is_some()
            && let Some((_, found)) = all.iter().find(|(types, _)| arrays(types))
        {
            return Choice::One(found);
        }
    }
    let choice = choose(all, &inputs);
    // PostgreSQL has these operators over more types than there are here, so that two unknown sides leave a choice.
    if inputs.iter().all(|input| *input == oid::UNKNOWN)
        && matches!(choice, Choice::One(found) if is_polymorphic(found.right))
    {
        return Choice::Ambiguous;
    }
    choice
}

fn choose<T: Copy>(candidates: Vec<(Vec<u32>, T)>, inputs: &[u32]) -> Choice<T> {
    if let Some((_, found)) = candidates.iter().find(|(types, _)| types == inputs) {
        return Choice::One(*found);
    }
    let fits = |types: &Vec<u32>| {
        types.iter().zip(inputs).all(|(declared, input)| can_coerce(*input, *declared, CastContext::Implicit))
            && consistent(types, inputs)
    };
    let candidates: Vec<(Vec<u32>, T)> = candidates.into_iter().filter(|(types, _)| fits(types)).collect();
    match candidates.as_slice() {
        [] => Choice::Missing,
        [(_, only)] => Choice::One(*only),
        _ => select(candidates, inputs),
    }
}

/// Polymorphic arguments must agree about the element type.
fn consistent(types: &[u32], inputs: &[u32]) -> bool {
    let mut element = None;
    for (declared, input) in types.iter().zip(inputs) {
        if *input == oid::UNKNOWN {
            continue;
        }
        let found = match *declared {
            oid::ANYELEMENT | oid::ANYNONARRAY => Some(*input),
            oid::ANYARRAY => element_type(*input),
            _ => None,
        };
        if let Some(found) = found {
            if element.is_some_and(|element| element != found) {
                return false;
            }
            element = Some(found);
        }
    }
    true
}

/// The element type of arrays and of the two vector types.
pub(super) fn element_type(array: u32) -> Option<u32> {
    catalog::subscripted(array)
}

fn keep_best<T>(candidates: Vec<(Vec<u32>, T)>, score: impl Fn(&[u32]) -> usize) -> Vec<(Vec<u32>, T)> {
    let best = candidates.iter().map(|(types, _)| score(types)).max().unwrap_or(0);
    candidates.into_iter().filter(|(types, _)| score(types) == best).collect()
}

fn select<T: Copy>(candidates: Vec<(Vec<u32>, T)>, inputs: &[u32]) -> Choice<T> {
    let known = |index: usize| inputs[index] != oid::UNKNOWN;
    let count = |types: &[u32], test: &dyn Fn(usize, u32) -> bool| {
        types.iter().enumerate().filter(|(index, declared)| *index < inputs.len() && test(*index, **declared)).count()
    };
    // Most exact matches, then most exact or preferred ones.
    let candidates =
        keep_best(candidates, |types| count(types, &|index, declared| known(index) && declared == inputs[index]));
    if let [(_, only)] = candidates.as_slice() {
        return Choice::One(*only);
    }
    let candidates = keep_best(candidates, |types| {
        count(types, &|index, declared| {
            known(index)
                && (declared == inputs[index]
                    || (is_preferred(declared) && category(declared) == category(inputs[index])))
        })
    });
    if let [(_, only)] = candidates.as_slice() {
        return Choice::One(*only);
    }
    if inputs.iter().all(|input| *input != oid::UNKNOWN) {
        return Choice::Ambiguous;
    }
    by_unknowns(candidates, inputs)
}

/// The rules for unknown arguments: by category, then by the type that all known ones share.
fn by_unknowns<T: Copy>(candidates: Vec<(Vec<u32>, T)>, inputs: &[u32]) -> Choice<T> {
    if let Some(kept) = by_category(&candidates, inputs) {
        if let [(_, only)] = kept.as_slice() {
            return Choice::One(*only);
        }
        if let Some(found) = by_shared_type(&kept, inputs) {
            return Choice::One(found);
        }
        return Choice::Ambiguous;
    }
    by_shared_type(&candidates, inputs).map_or(Choice::Ambiguous, Choice::One)
}

/// For each unknown argument the category that all candidates accept, strings before all; `None` if they disagree.
fn by_category<T: Copy>(candidates: &[(Vec<u32>, T)], inputs: &[u32]) -> Option<Vec<(Vec<u32>, T)>> {
    let mut wanted = vec![None; inputs.len()];
    for (index, input) in inputs.iter().enumerate() {
        if *input != oid::UNKNOWN {
            continue;
        }
        let slot = |types: &Vec<u32>| types.get(index).copied().unwrap_or(0);
        let categories: Vec<char> = candidates.iter().map(|(types, _)| slot_category(slot(types))).collect();
        let first = categories.first().copied()?;
        let chosen = if categories.contains(&'S') {
            'S'
        } else if categories.iter().all(|category| *category == first) {
            first
        } else {
            return None;
        };
        let preferred =
            candidates.iter().any(|(types, _)| slot_category(slot(types)) == chosen && is_preferred(slot(types)));
        wanted[index] = Some((chosen, preferred));
    }
    let fits = |types: &Vec<u32>| {
        wanted.iter().enumerate().all(|(index, wanted)| match wanted {
            None => true,
            Some((category, preferred)) => {
                let declared = types.get(index).copied().unwrap_or(0);
                slot_category(declared) == *category && (!preferred || is_preferred(declared))
            }
        })
    };
    let kept: Vec<(Vec<u32>, T)> = candidates.iter().filter(|(types, _)| fits(types)).cloned().collect();
    if kept.is_empty() { Some(candidates.to_vec()) } else { Some(kept) }
}

fn slot_category(declared: u32) -> char {
    if is_polymorphic(declared) { 'P' } else { category(declared) }
}

/// If all known arguments are of one type, the one candidate that takes it for the unknown ones too.
fn by_shared_type<T: Copy>(candidates: &[(Vec<u32>, T)], inputs: &[u32]) -> Option<T> {
    let mut known = inputs.iter().filter(|input| **input != oid::UNKNOWN);
    let shared = *known.next()?;
    if known.any(|input| *input != shared) {
        return None;
    }
    let mut fitting = candidates.iter().filter(|(types, _)| {
        types.iter().take(inputs.len()).all(|declared| can_coerce(shared, *declared, CastContext::Implicit))
    });
    match (fitting.next(), fitting.next()) {
        (Some((_, only)), None) => Some(*only),
        (Some(_) | None, _) => None,
    }
}
