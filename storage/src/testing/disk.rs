//! A disk in memory that forgets what was not synced: files, locks, and the crash that decides what is left.
//!
//! Model. A write is visible at once and durable after the next successful sync of its file. At a crash, each file keeps a
//! prefix of its unsynced changes whole, and of the rest each 512-byte sector shows its own prefix of the writes to it: so
//! writes are dropped, torn and reordered. Bytes outside a write are never damaged (SQLite's default assumption, powersafe
//! overwrite). Creating and deleting a file is durable at once, as with a journalling file system, but a file that was never
//! synced may come back empty. A sync that fails loses what it should have made durable: the next one succeeds without it, as
//! the kernel does after it has dropped dirty pages.
//!
//! Everything random follows from the seed and the order of operations.

use std::collections::BTreeMap;

const SECTOR_BYTES: usize = 512;

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The machine loses power in the middle of the operation (write, truncate or sync) that comes this many later; 1 is the
    /// next one.
    CrashAfter(u64),
    /// The sync that comes this many later fails; 1 is the next one.
    SyncFailsAfter(u64),
    /// All writes fail from now on.
    WritesFail,
    /// No file may grow any more.
    Full,
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskError {
    /// The power is off, or the handle is from before it was.
    Off,
    Failed,
    Full,
    Missing,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

#[derive(Debug, Default)]
struct File {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    pub(super) locks: Locks,
    shm: Shm,
}

/// SQLite's file locks by handle. Source: <https://www.sqlite.org/lockingv3.html#locking>.
#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<u64, Level>);

/// A lock on a file, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// The shared memory of a WAL and its eight locks.
#[derive(Debug, Default)]
struct Shm {
    regions: Vec<Box<[u64]>>,
    /// Bit masks of slots held shared and exclusively, by handle.
    held: BTreeMap<u64, (u8, u8)>,
}

/// The state of the disk.
#[derive(Debug)]
pub(super) struct Disk {
    files: BTreeMap<String, File>,
    /// Counts crashes; a handle from an earlier boot is dead.
    boot: u64,
    powered: bool,
    operations_left: Option<u64>,
    syncs_left: Option<u64>,
    writes_fail: bool,
    full: bool,
    random: Random,
    handles: u64,
    /// Shared memory of earlier boots, which dead handles may still point into.
    graves: Vec<Box<[u64]>>,
}

/// Who a file is open for.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) id: u64,
    boot: u64,
    pub(super) name: String,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            boot: 0,
            powered: true,
            operations_left: None,
            syncs_left: None,
            writes_fail: false,
            full: false,
            random: Random(seed),
            handles: 0,
            graves: Vec::new(),
        }
    }

    pub(super) fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::CrashAfter(operations) => self.operations_left = Some(operations),
            Fault::SyncFailsAfter(syncs) => self.syncs_left = Some(syncs),
            Fault::WritesFail => self.writes_fail = true,
            Fault::Full => self.full = true,
        }
    }

    /// Takes all faults back; switches a crashed machine on again.
    pub(super) fn repair(&mut self) {
        (self.operations_left, self.syncs_left) = (None, None);
        (self.writes_fail, self.full) = (false, false);
        self.powered = true;
    }

    pub(super) fn is_off(&self) -> bool {
        !self.powered
    }

    /// Opens a file; an existing one, unless `create`.
    pub(super) fn open(&mut self, name: Option<&str>, create: bool) -> Result<Handle, DiskError> {
        self.alive(self.boot)?;
        self.handles += 1;
        let name = name.map_or_else(|| format!("temporary-{}", self.handles), str::to_owned);
        if !self.files.contains_key(&name) && !create {
            return Err(DiskError::Missing);
        }
        self.files.entry(name.clone()).or_default();
        Ok(Handle { id: self.handles, boot: self.boot, name })
    }

    pub(super) fn close(&mut self, handle: &Handle, delete: bool) {
        if handle.boot != self.boot {
            return;
        }
        if let Some(file) = self.files.get_mut(&handle.name) {
            file.locks.0.remove(&handle.id);
            file.shm.held.remove(&handle.id);
        }
        if delete {
            self.remove(&handle.name);
        }
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<(), DiskError> {
        self.operation(self.boot)?;
        if self.remove(name) { Ok(()) } else { Err(DiskError::Missing) }
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Fills `into` from `at`; the number of bytes that the file has there.
    pub(super) fn read(&self, handle: &Handle, at: usize, into: &mut [u8]) -> Result<usize, DiskError> {
        self.alive(handle.boot)?;
        let file = self.files.get(&handle.name).ok_or(DiskError::Missing)?;
        let from = file.current.get(at..).unwrap_or_default();
        let len = from.len().min(into.len());
        into[..len].copy_from_slice(&from[..len]);
        into[len..].fill(0);
        Ok(len)
    }

    pub(super) fn write(&mut self, handle: &Handle, at: usize, bytes: &[u8]) -> Result<(), DiskError> {
        // The write that is cut off by the crash is one of those that may be torn.
        let result = self.operation_with(handle.boot, |disk| disk.append(handle, at, bytes));
        result?;
        if self.writes_fail {
            return Err(DiskError::Failed);
        }
        let grows = self.files.get(&handle.name).is_some_and(|file| at + bytes.len() > file.current.len());
        if self.full && grows {
            return Err(DiskError::Full);
        }
        self.append(handle, at, bytes);
        Ok(())
    }

    pub(super) fn truncate(&mut self, handle: &Handle, len: usize) -> Result<(), DiskError> {
        self.operation(handle.boot)?;
        let file = self.files.get_mut(&handle.name).ok_or(DiskError::Missing)?;
        file.current.truncate(len);
        file.pending.push(Change::Truncate { len });
        Ok(())
    }

    pub(super) fn sync(&mut self, handle: &Handle) -> Result<(), DiskError> {
        self.operation(handle.boot)?;
        let fails = count_down(&mut self.syncs_left);
        let file = self.files.get_mut(&handle.name).ok_or(DiskError::Missing)?;
        let pending = std::mem::take(&mut file.pending);
        if fails {
            return Err(DiskError::Failed);
        }
        for change in pending {
            change.apply(&mut file.durable);
        }
        Ok(())
    }

    pub(super) fn len(&self, handle: &Handle) -> Result<usize, DiskError> {
        self.alive(handle.boot)?;
        self.files.get(&handle.name).map(|file| file.current.len()).ok_or(DiskError::Missing)
    }

    pub(super) fn locks(&mut self, handle: &Handle) -> Result<&mut Locks, DiskError> {
        self.alive(handle.boot)?;
        self.files.get_mut(&handle.name).map(|file| &mut file.locks).ok_or(DiskError::Missing)
    }

    /// The address of a region of shared memory; `None` if it does not exist and is not to be made.
    pub(super) fn shm_region(
        &mut self,
        handle: &Handle,
        region: usize,
        bytes: usize,
        extend: bool,
    ) -> Result<Option<*mut u64>, DiskError> {
        self.alive(handle.boot)?;
        let shm = &mut self.files.get_mut(&handle.name).ok_or(DiskError::Missing)?.shm;
        while extend && shm.regions.len() <= region {
            shm.regions.push(vec![0; bytes.div_ceil(8)].into_boxed_slice());
        }
        Ok(shm.regions.get_mut(region).map(|region| region.as_mut_ptr()))
    }

    /// Takes or gives back the locks in `mask`; false if somebody else is in the way.
    pub(super) fn shm_lock(
        &mut self,
        handle: &Handle,
        mask: u8,
        take: bool,
        exclusive: bool,
    ) -> Result<bool, DiskError> {
        self.alive(handle.boot)?;
        let shm = &mut self.files.get_mut(&handle.name).ok_or(DiskError::Missing)?.shm;
        let others = shm.held.iter().filter(|(id, _)| **id != handle.id).map(|(_, masks)| *masks);
        let (shared, held) = others.fold((0, 0), |(s, x), (shared, held)| (s | shared, x | held));
        let blocked = if exclusive { shared | held } else { held };
        if take && mask & blocked != 0 {
            return Ok(false);
        }
        let own = shm.held.entry(handle.id).or_default();
        match (take, exclusive) {
            (true, true) => own.1 |= mask,
            (true, false) => own.0 |= mask,
            (false, true) => own.1 &= !mask,
            (false, false) => own.0 &= !mask,
        }
        Ok(true)
    }

    pub(super) fn shm_unmap(&mut self, handle: &Handle) {
        if handle.boot == self.boot
            && let Some(file) = self.files.get_mut(&handle.name)
        {
            file.shm.held.remove(&handle.id);
            if file.shm.held.is_empty() && file.locks.0.len() <= 1 {
                self.graves.append(&mut file.shm.regions);
            }
        }
    }

    pub(super) fn random_bytes(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(8) {
            let bytes = self.random.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    /// Power is lost now: only what the model says is left.
    pub(super) fn crash(&mut self) {
        self.boot += 1;
        self.powered = false;
        for file in self.files.values_mut() {
            let pending = std::mem::take(&mut file.pending);
            let mut left = std::mem::take(&mut file.durable);
            survive(&mut left, pending, &mut self.random);
            file.current = left.clone();
            file.durable = left;
            file.locks = Locks::default();
            self.graves.append(&mut file.shm.regions);
            file.shm = Shm::default();
        }
    }

    fn append(&mut self, handle: &Handle, at: usize, bytes: &[u8]) {
        if let Some(file) = self.files.get_mut(&handle.name) {
            let change = Change::Write { at, bytes: bytes.to_vec() };
            change.apply(&mut file.current);
            file.pending.push(change);
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let removed = self.files.remove(name);
        removed.map(|mut file| self.graves.append(&mut file.shm.regions)).is_some()
    }

    fn alive(&self, boot: u64) -> Result<(), DiskError> {
        if self.powered && boot == self.boot { Ok(()) } else { Err(DiskError::Off) }
    }

    fn operation(&mut self, boot: u64) -> Result<(), DiskError> {
        self.operation_with(boot, |_| {})
    }

    /// Counts an operation; the one in which the power fails does `last` first.
    fn operation_with(&mut self, boot: u64, last: impl FnOnce(&mut Self)) -> Result<(), DiskError> {
        self.alive(boot)?;
        if count_down(&mut self.operations_left) {
            last(self);
            self.crash();
            return Err(DiskError::Off);
        }
        Ok(())
    }
}

impl Locks {
    /// Raises the lock of `handle`; false if others are in the way.
    pub(super) fn raise(&mut self, handle: u64, want: Level) -> bool {
        let others = self.0.iter().filter(|(id, _)| **id != handle).map(|(_, level)| *level).max();
        let others = others.unwrap_or(Level::None);
        let granted = match want {
            Level::None => true,
            Level::Shared => others < Level::Pending,
            Level::Reserved | Level::Pending => others < Level::Reserved,
            Level::Exclusive => others == Level::None,
        };
        if granted {
            self.0.insert(handle, want);
        } else if want == Level::Exclusive && others < Level::Reserved {
            // New readers stay out until those that are in have left.
            self.0.insert(handle, Level::Pending);
        }
        granted
    }

    pub(super) fn lower(&mut self, handle: u64, to: Level) {
        self.0.insert(handle, to);
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.0.values().any(|level| *level >= Level::Reserved)
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                if contents.len() < at + bytes.len() {
                    contents.resize(at + bytes.len(), 0);
                }
                contents[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Truncate { len } => contents.truncate(*len),
        }
    }
}

fn count_down(left: &mut Option<u64>) -> bool {
    let Some(count) = left else {
        return false;
    };
    *count = count.saturating_sub(1);
    let now = *count == 0;
    if now {
        *left = None;
    }
    now
}

/// Applies to what was durable what happened to reach the disk.
fn survive(contents: &mut Vec<u8>, pending: Vec<Change>, random: &mut Random) {
    let whole = random.below(pending.len() + 1);
    let mut sectors: BTreeMap<usize, Vec<(usize, Vec<u8>)>> = BTreeMap::new();
    for (index, change) in pending.into_iter().enumerate() {
        if index < whole {
            change.apply(contents);
        } else if let Change::Write { at, bytes } = change {
            for (sector, at, piece) in pieces(at, &bytes) {
                sectors.entry(sector).or_default().push((at, piece.to_vec()));
            }
        }
    }
    for writes in sectors.into_values() {
        let kept = random.below(writes.len() + 1);
        for (at, bytes) in writes.into_iter().take(kept) {
            Change::Write { at, bytes }.apply(contents);
        }
    }
}

/// A write cut at sector boundaries: sector, offset in the file, bytes.
fn pieces(at: usize, bytes: &[u8]) -> Vec<(usize, usize, &[u8])> {
    let mut pieces = Vec::new();
    let (mut at, mut left) = (at, bytes);
    while !left.is_empty() {
        let len = (SECTOR_BYTES - at % SECTOR_BYTES).min(left.len());
        let (piece, rest) = left.split_at(len);
        pieces.push((at / SECTOR_BYTES, at, piece));
        (at, left) = (at + len, rest);
    }
    pieces
}

/// splitmix64: small, and good enough to choose what survives.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(disk: &mut Disk, bytes: &[u8]) -> Handle {
        let handle = disk.open(Some("f"), true).expect("open");
        disk.write(&handle, 0, bytes).expect("write");
        handle
    }

    fn contents(disk: &mut Disk) -> Vec<u8> {
        disk.repair();
        let handle = disk.open(Some("f"), false).expect("open");
        let mut bytes = vec![0; disk.len(&handle).expect("length")];
        disk.read(&handle, 0, &mut bytes).expect("read");
        bytes
    }

    #[test]
    fn what_was_synced_survives_every_crash() {
        for seed in 0..200 {
            let mut disk = Disk::new(seed);
            let handle = written(&mut disk, &[1; 3000]);
            disk.sync(&handle).expect("sync");
            disk.write(&handle, 3000, &[2; 3000]).expect("write");
            disk.crash();
            assert_eq!(contents(&mut disk)[..3000], [1; 3000]);
        }
    }

    #[test]
    fn unsynced_writes_are_dropped_torn_and_reordered() {
        let (mut dropped, mut torn, mut reordered, mut kept) = (0, 0, 0, 0);
        for seed in 0..400 {
            let mut disk = Disk::new(seed);
            let handle = written(&mut disk, &[0; 2048]);
            disk.sync(&handle).expect("sync");
            disk.write(&handle, 0, &[1; 1024]).expect("write");
            disk.write(&handle, 1024, &[2; 1024]).expect("write");
            disk.crash();
            let left = contents(&mut disk);
            let first: Vec<u8> = vec![left[0], left[512]];
            let second: Vec<u8> = vec![left[1024], left[1536]];
            dropped += u32::from(first == [0, 0] && second == [0, 0]);
            kept += u32::from(first == [1, 1] && second == [2, 2]);
            torn += u32::from(first[0] != first[1] || second[0] != second[1]);
            reordered += u32::from(first == [0, 0] && second == [2, 2]);
        }
        assert!(dropped > 0 && torn > 0 && reordered > 0 && kept > 0, "{dropped} {torn} {reordered} {kept}");
    }

    #[test]
    fn a_failed_sync_loses_the_data_even_if_the_next_one_succeeds() {
        let mut disk = Disk::new(1);
        let handle = written(&mut disk, &[1; 512]);
        disk.inject(Fault::SyncFailsAfter(1));
        assert_eq!(disk.sync(&handle), Err(DiskError::Failed));
        disk.sync(&handle).expect("the next one succeeds");
        disk.crash();
        assert_eq!(contents(&mut disk), []);
    }

    #[test]
    fn a_handle_from_before_the_crash_is_dead() {
        let mut disk = Disk::new(1);
        let handle = written(&mut disk, &[1]);
        disk.crash();
        disk.repair();
        assert_eq!(disk.write(&handle, 0, &[2]), Err(DiskError::Off));
    }

    #[test]
    fn a_full_disk_takes_overwrites_but_no_growth() {
        let mut disk = Disk::new(1);
        let handle = written(&mut disk, &[1; 8]);
        disk.inject(Fault::Full);
        assert_eq!(disk.write(&handle, 0, &[2; 8]), Ok(()));
        assert_eq!(disk.write(&handle, 4, &[2; 8]), Err(DiskError::Full));
    }

    #[test]
    fn an_exclusive_lock_waits_for_readers_and_keeps_new_ones_out() {
        let mut locks = Locks::default();
        assert!(locks.raise(1, Level::Shared) && locks.raise(2, Level::Shared));
        assert!(!locks.raise(1, Level::Exclusive));
        assert!(!locks.raise(3, Level::Shared));
        locks.lower(2, Level::None);
        assert!(locks.raise(1, Level::Exclusive));
    }
}
