//! Rules for benches of what it costs to find out who may do what.

use gigawamp::router::authorization::{Effect, Role, Rule};

/// A role with `count` rules: a quarter each of exact URIs, prefixes, wildcards and own ones.
pub(crate) fn role(count: usize) -> Role {
    let rules: Vec<_> = (0..count)
        .map(|number| {
            let (group, number) = (number % 4, number / 4);
            let text = match group {
                0 => format!("* com.exact{number}.service.read"),
                1 => format!("* com.prefix{number}.*"),
                2 => format!("* com.wild{number}..read"),
                _ => format!("* com.own{number}.${{authid}}.*"),
            };
            let effect = if number % 7 == 6 { Effect::Deny } else { Effect::Allow };
            (Rule::parse(&text).expect("it is sound"), effect)
        })
        .collect();
    Role::new(&rules, &[])
}
