//! Texts as the readers and the engine have them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use analyzer::capture::{self, Options};
use analyzer::inputs::paths::RouterFile;
use analyzer::inputs::{Loaded, Paths, load};
use analyzer_engine::Engine;
use analyzer_engine::settings::Settings;

use crate::ask::{self, Said};
use crate::dump;
use crate::model::Played;
use crate::numbers::Numbers;
use crate::print::{self, Tables};
use crate::spoil::{Kind, Spoilt, Way, spoilt};
use crate::table::{Format, Table};
use crate::told;
use crate::world::World;

/// A text: what it is, where it is told of one router its name, and the text itself.
type Text = (Kind, Option<&'static str>, String);

/// The texts of a world.
pub(crate) struct Texts {
    texts: Vec<Text>,
    /// Whether anything in them shows that one is damaged.
    pub(crate) shows_damage: bool,
}

/// What is damaged in a world, and how.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Damage {
    pub(crate) kind: Kind,
    pub(crate) way: Way,
}

/// What the texts of a world tell.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    pub(crate) said: Said,
    /// Whether something was passed over, and said to be.
    pub(crate) is_lossy: bool,
    /// Of each frame those that are judged with it, as bits.
    pub(crate) runs: Vec<u64>,
}

impl Texts {
    /// The texts of a world, one of them damaged.
    pub(crate) fn of(world: &World, played: &Played, damage: Option<Damage>) -> Self {
        let mut numbers = Numbers::new(world.seed ^ 0x7e87);
        let facts = told::facts(world, played, None);
        let Tables { mac_bindings, static_mac_bindings, bfd, port_bindings, datapaths } = print::tables(world, played);
        let tables = [
            (Kind::MacBindings, mac_bindings),
            (Kind::StaticMacBindings, static_mac_bindings),
            (Kind::Bfd, bfd),
            (Kind::PortBindings, port_bindings),
            (Kind::Datapaths, datapaths),
        ];
        let mut texts: Vec<(Text, Option<(Table, Format)>)> = Vec::new();
        for (router, row) in world.routers.iter().enumerate() {
            texts.push(((Kind::Routes, Some(row.name), print::routes(world, played, router)), None));
        }
        for (kind, table) in tables {
            let format = Format::any(&mut numbers);
            texts.push(((kind, None, table.print(format)), Some((table, format))));
        }
        texts.push(((Kind::Connections, None, dump::connections(&facts)), None));
        texts.push(((Kind::Zones, None, dump::zones(&facts)), None));
        texts.push(((Kind::Capture, None, print::capture(played)), None));
        let (mut is_spoilt, mut shows_damage) = (false, false);
        let finished = texts.into_iter().map(|((kind, router, text), table)| {
            let damage = damage.filter(|damage| damage.kind == kind && !is_spoilt && !text.is_empty());
            let text = match damage {
                Some(Damage { way, .. }) => {
                    is_spoilt = true;
                    let table = table.as_ref().map(|(table, format)| (table, *format));
                    let Spoilt { text, shows } = spoilt(kind, &text, table, way, &mut numbers);
                    shows_damage = shows;
                    text
                }
                None => text,
            };
            (kind, router, text)
        });
        let texts = finished.collect();
        Self { texts, shows_damage }
    }

    /// The text of a kind.
    pub(crate) fn text(&self, kind: Kind) -> String {
        self.texts.iter().filter(|text| text.0 == kind).map(|text| text.2.as_str()).collect()
    }

    /// Writes them into a folder, under the names that `analyzer replay` knows.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<Paths> {
        let mut paths = Paths::default();
        for (kind, router, text) in &self.texts {
            let file = folder.join(name(*kind, *router));
            // Without rows there is nothing that one would paste.
            if text.is_empty() {
                let _ = fs::remove_file(&file);
                continue;
            }
            fs::write(&file, text)?;
            let of_kind: &mut Vec<PathBuf> = match kind {
                Kind::Routes => {
                    paths.lr_routes.push(RouterFile { router: router.map(str::to_owned), file });
                    continue;
                }
                Kind::Capture => continue,
                Kind::MacBindings => &mut paths.mac_bindings,
                Kind::StaticMacBindings => &mut paths.static_mac_bindings,
                Kind::Bfd => &mut paths.bfd,
                Kind::PortBindings => &mut paths.port_bindings,
                Kind::Datapaths => &mut paths.datapaths,
                Kind::Connections => &mut paths.conntrack,
                Kind::Zones => &mut paths.ct_zones,
            };
            of_kind.push(file);
        }
        Ok(paths)
    }
}

fn name(kind: Kind, router: Option<&str>) -> String {
    match kind {
        Kind::Routes => format!("lr-route-list.{}.txt", router.unwrap_or("any")),
        Kind::MacBindings => "mac_binding.txt".to_owned(),
        Kind::StaticMacBindings => "static_mac_binding.txt".to_owned(),
        Kind::Bfd => "bfd.txt".to_owned(),
        Kind::PortBindings => "port_binding.txt".to_owned(),
        Kind::Datapaths => "datapath_binding.txt".to_owned(),
        Kind::Connections => "conntrack.txt".to_owned(),
        Kind::Zones => "ct-zone-list.txt".to_owned(),
        Kind::Capture => "capture.txt".to_owned(),
    }
}

/// Judges the frames of a world by its texts.
///
/// # Errors
/// A text that cannot be read at all, as the analyzer says it.
pub(crate) fn judge(world: &World, played: &Played, texts: &Texts, folder: &Path) -> Result<Answer, String> {
    let (mut engine, loaded) = told_by(world, texts, folder)?;
    let observations = ask::observations(world, played, told::Given::Whole, &mut engine);
    let said = ask::said(world, played, &mut engine, &observations);
    let is_lossy = said.has_gaps || loaded.skipped_lines > 0 || !loaded.warnings.is_empty();
    let run_of = |index: usize| observations.iter().map(|run| run.packets).find(|run| run >> index & 1 == 1);
    let runs = (0..played.frames.len()).map(|index| run_of(index).unwrap_or_default()).collect();
    Ok(Answer { said, is_lossy, runs })
}

/// An engine that has read the texts, and heard what the capture tells of neighbours.
fn told_by(world: &World, texts: &Texts, folder: &Path) -> Result<(Engine, Loaded), String> {
    let paths = texts.write(folder).map_err(|error| error.to_string())?;
    let mut engine = Engine::new(Settings::default());
    let loaded = load(&paths, &mut |fact| engine.add(fact)).map_err(|error| error.to_string())?;
    engine.set_given(loaded.kinds);
    engine.epochs();
    told::heard(world, None).into_iter().for_each(|heard| {
        engine.hear(heard);
    });
    Ok((engine, loaded))
}

/// The packets of the text of a capture, and whether lines of it were passed over.
///
/// # Errors
/// A text that cannot be read at all.
pub(crate) fn packets(texts: &Texts, folder: &Path) -> Result<(Vec<String>, bool), String> {
    let file = folder.join(name(Kind::Capture, None));
    fs::write(&file, texts.text(Kind::Capture)).map_err(|error| error.to_string())?;
    let mut reader = capture::open(&file, &Options::default()).map_err(|error| error.to_string())?;
    let mut packets = Vec::new();
    while let Some(item) = reader.next().map_err(|error| error.to_string())? {
        packets.push(format!("{item:?}"));
    }
    let skipped = reader.skipped();
    let is_lossy = skipped.lines + skipped.frames > 0 || !reader.take_warnings().is_empty();
    Ok((packets, is_lossy))
}
