use proptest::prelude::*;

use super::*;

/// What is told, one after another.
#[derive(Clone, Debug)]
enum Told {
    Push(u16, Validity),
    PushNew(u16, Validity),
    Begin(u16, u64),
    End(u16, u64),
    Retain(u16),
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn zone(zone: u16, validity: Validity) -> Zone {
    Zone { zone, name: "a".into(), validity }
}

fn told() -> impl Strategy<Value = Told> {
    let validity = || {
        let moment = || prop::option::of((0..12u64).prop_map(at));
        (moment(), moment()).prop_map(|(from, until)| Validity { from, until })
    };
    prop_oneof![
        2 => (0..4u16, validity()).prop_map(|(zone, validity)| Told::Push(zone, validity)),
        2 => (0..4u16, validity()).prop_map(|(zone, validity)| Told::PushNew(zone, validity)),
        4 => (0..4u16, 0..12u64).prop_map(|(zone, from)| Told::Begin(zone, from)),
        4 => (0..4u16, 0..12u64).prop_map(|(zone, until)| Told::End(zone, until)),
        1 => (0..4u16).prop_map(Told::Retain),
    ]
}

/// As [`Versions`], without index.
#[derive(Default)]
struct Model(Vec<Zone>);

impl Model {
    fn tell(&mut self, told: &Told) -> End {
        let open = |from| Validity { from: Some(at(from)), until: None };
        match *told {
            Told::Push(number, validity) => self.0.push(zone(number, validity)),
            Told::PushNew(number, validity) => {
                let fact = zone(number, validity);
                if !self.0.contains(&fact) {
                    self.0.push(fact);
                }
            }
            Told::Begin(number, from) => {
                let goes_on = |told: &&mut Zone| told.zone == number && told.validity.until == Some(at(from));
                match self.0.iter_mut().rev().find(goes_on) {
                    Some(told) => told.validity.until = None,
                    None => self.0.push(zone(number, open(from))),
                }
            }
            Told::End(number, until) => {
                let is_open = |told: &Zone| told.zone == number && told.validity.until.is_none();
                let Some(index) = self.0.iter().rposition(is_open) else { return End::Unknown };
                if self.0[index].validity.from.is_some_and(|from| from >= at(until)) {
                    self.0.remove(index);
                    return End::Vanished;
                }
                self.0[index].validity.until = Some(at(until));
                return End::Ended;
            }
            Told::Retain(number) => self.0.retain(|told| told.zone != number),
        }
        End::Unknown
    }
}

fn tell(versions: &mut Versions<Zone>, told: &Told) -> End {
    match *told {
        Told::Push(number, validity) => drop(versions.push(zone(number, validity))),
        Told::PushNew(number, validity) => versions.push_new(zone(number, validity)),
        Told::Begin(number, from) => versions.begin(zone(number, Validity { from: Some(at(from)), until: None })),
        Told::End(number, until) => return versions.end(&zone(number, Validity::ALWAYS), at(until)),
        Told::Retain(number) => versions.retain(|told| told.zone != number),
    }
    End::Unknown
}

proptest! {
    /// With and without index the versions are those of a plain list.
    #[test]
    fn versions_are_those_of_a_plain_list(all in prop::collection::vec(told(), 0..80)) {
        let (mut model, mut versions) = (Model::default(), Versions::default());
        for told in &all {
            prop_assert_eq!(tell(&mut versions, told), model.tell(told), "{:?}", told);
            prop_assert_eq!(versions.iter().collect::<Vec<_>>(), model.0.iter().collect::<Vec<_>>());
            prop_assert_eq!(versions.is_empty(), model.0.is_empty());
        }
        for moment in 0..13 {
            let holds = |zone: &&Zone| zone.validity.holds(at(moment));
            let model: Vec<&Zone> = model.0.iter().filter(holds).collect();
            prop_assert_eq!(versions.holding(at(moment)).collect::<Vec<_>>(), model);
        }
    }
}
