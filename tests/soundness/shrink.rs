//! Makes a world as small as it can be while it still shows what it is kept for.

use crate::world::{Life, World};

/// Removes rows, packets, flows and routers one by one, as long as `shows` holds.
pub(crate) fn shrink(mut world: World, shows: &dyn Fn(&World) -> bool) -> World {
    loop {
        let mut is_smaller = false;
        for step in steps() {
            let mut index = 0;
            while let Some(smaller) = step(&world, index) {
                if is_possible(&smaller) && shows(&smaller) {
                    world = smaller;
                    is_smaller = true;
                } else {
                    index += 1;
                }
            }
        }
        if !is_smaller {
            return world;
        }
    }
}

/// Whether no table has two rows of one key at a time (`MAC_Binding` and `BFD` are unique by port and address).
fn is_possible(world: &World) -> bool {
    let meet =
        |a: Life, b: Life| a.until.is_none_or(|until| b.from < until) && b.until.is_none_or(|until| a.from < until);
    let bindings = world.bindings.iter().map(|row| (row.router, row.ip, row.life));
    let sessions = world.sessions.iter().map(|row| (row.router, row.peer, row.life));
    [bindings.collect::<Vec<_>>(), sessions.collect()].iter().all(|rows| {
        let clashes = |index: usize| {
            rows[..index]
                .iter()
                .any(|other| (other.0, other.1) == (rows[index].0, rows[index].1) && meet(other.2, rows[index].2))
        };
        !(0..rows.len()).any(clashes)
    })
}

/// Removes one thing; `None` where there are not so many.
type Step = fn(&World, usize) -> Option<World>;

fn steps() -> [Step; 12] {
    [
        |world, index| without(world, index, |world| &mut world.events),
        without_flow,
        without_router,
        |world, index| without(world, index, |world| &mut world.routes),
        |world, index| without(world, index, |world| &mut world.sessions),
        |world, index| without(world, index, |world| &mut world.bindings),
        |world, index| without(world, index, |world| &mut world.statics),
        |world, index| without(world, index, |world| &mut world.heard),
        |world, index| without(world, index, |world| &mut world.decoys),
        whole_life,
        |world, index| changed(world, index, |world| world.history_start = 0),
        |world, index| changed(world, index, |world| world.tells_direction = false),
    ]
}

fn without<T>(world: &World, index: usize, rows: fn(&mut World) -> &mut Vec<T>) -> Option<World> {
    let mut smaller = world.clone();
    let rows = rows(&mut smaller);
    (index < rows.len()).then(|| rows.remove(index))?;
    Some(smaller)
}

/// The world with one thing changed, once; `None` where nothing changes.
fn changed(world: &World, index: usize, change: fn(&mut World)) -> Option<World> {
    let mut smaller = world.clone();
    change(&mut smaller);
    (index == 0 && smaller != *world).then_some(smaller)
}

/// A flow that says nothing any more.
fn without_flow(world: &World, index: usize) -> Option<World> {
    let mut smaller = without(world, index, |world| &mut world.flows)?;
    smaller.events.retain(|event| event.flow != index);
    smaller.decoys.retain(|decoy| decoy.flow != index);
    let others = smaller.events.iter_mut().map(|event| &mut event.flow);
    let others = others.chain(smaller.decoys.iter_mut().map(|decoy| &mut decoy.flow));
    others.filter(|flow| **flow > index).for_each(|flow| *flow -= 1);
    Some(smaller)
}

fn without_router(world: &World, index: usize) -> Option<World> {
    let mut smaller = without(world, index, |world| &mut world.routers)?;
    while let Some(flow) = smaller.flows.iter().position(|flow| flow.router == index) {
        smaller = without_flow(&smaller, flow)?;
    }
    smaller.routes.retain(|row| row.router != index);
    smaller.sessions.retain(|row| row.router != index);
    smaller.bindings.retain(|row| row.router != index);
    smaller.statics.retain(|row| row.router != index);
    let of_rows = smaller.routes.iter_mut().map(|row| &mut row.router);
    let of_rows = of_rows.chain(smaller.sessions.iter_mut().map(|row| &mut row.router));
    let of_rows = of_rows.chain(smaller.bindings.iter_mut().map(|row| &mut row.router));
    let of_rows = of_rows.chain(smaller.statics.iter_mut().map(|row| &mut row.router));
    let of_rows = of_rows.chain(smaller.flows.iter_mut().map(|flow| &mut flow.router));
    of_rows.filter(|router| **router > index).for_each(|router| *router -= 1);
    Some(smaller)
}

/// The row of a table that lives from start to end.
fn whole_life(world: &World, index: usize) -> Option<World> {
    let mut smaller = world.clone();
    let lives = smaller.routes.iter_mut().map(|row| &mut row.life);
    let lives = lives.chain(smaller.sessions.iter_mut().map(|row| &mut row.life));
    let mut lives = lives.chain(smaller.bindings.iter_mut().map(|row| &mut row.life));
    let life = lives.by_ref().filter(|life| **life != Life::ALL).nth(index)?;
    *life = Life::ALL;
    drop(lives);
    Some(smaller)
}
