//! SQLite on a disk that crashes: a VFS over [`super::disk`].
//!
//! The only work here is translating between SQLite's C interface and the disk's operations. Every handle of a crashed disk
//! fails from then on, so that a store over it behaves as a killed process does; after [`CrashVfs::repair`] a new store may
//! open what is left.

#![expect(unsafe_code, reason = "a VFS is a table of C functions that SQLite calls with raw pointers")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::ffi;

use super::disk::{Disk, DiskError, Fault, Handle, Level};

type Shared = Arc<Mutex<Disk>>;

/// A registered VFS with its own disk. Dropping it unregisters it; close the databases on it first.
pub struct CrashVfs {
    disk: Shared,
    name: CString,
    vfs: *mut ffi::sqlite3_vfs,
}

impl std::fmt::Debug for CrashVfs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrashVfs").field("name", &self.name).finish_non_exhaustive()
    }
}

// SAFETY: `vfs` is only touched when it is made and dropped; SQLite guards its list of VFSes with its own mutex, and the
// functions reach the disk through its mutex.
unsafe impl Send for CrashVfs {}
// SAFETY: as above; `&CrashVfs` gives access to nothing but the disk behind its mutex.
unsafe impl Sync for CrashVfs {}

impl CrashVfs {
    /// Registers a VFS under a name of its own. What it forgets in a crash follows from `seed`.
    ///
    /// # Panics
    /// If SQLite refuses to register it, which it does only without memory.
    pub fn register(seed: u64) -> Self {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let name = format!("crash-{}", NAMES.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).expect("made of letters and digits");
        let disk: Shared = Arc::new(Mutex::new(Disk::new(seed)));
        let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: c_int::try_from(size_of::<OpenFile>()).expect("a few words"),
            mxPathname: 512,
            pNext: ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: Arc::into_raw(Arc::clone(&disk)).cast_mut().cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: `vfs` is fully initialised and lives until it is unregistered in `drop`, and so does `name`.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(code, ffi::SQLITE_OK, "register a VFS");
        Self { disk, name, vfs }
    }

    /// What to open as the database's path.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("file:/db?vfs={}", self.name.to_string_lossy()))
    }

    /// Lets something go wrong.
    pub fn inject(&self, fault: Fault) {
        self.disk().inject(fault);
    }

    /// Whether the power went off.
    pub fn is_off(&self) -> bool {
        self.disk().is_off()
    }

    /// Takes all faults back and switches the machine on again.
    pub fn repair(&self) {
        self.disk().repair();
    }

    /// Power is lost now.
    pub fn crash(&self) {
        self.disk().crash();
    }

    /// Whether the database's WAL exists.
    pub fn has_wal(&self) -> bool {
        self.disk().exists("/db-wal")
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

impl Drop for CrashVfs {
    fn drop(&mut self) {
        // SAFETY: registered in `register`; nothing is open on it any more, so that SQLite does not use it again.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            let vfs = Box::from_raw(self.vfs);
            drop(Arc::from_raw(vfs.pAppData.cast::<Mutex<Disk>>().cast_const()));
        }
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What SQLite allocates for an open file. `base` comes first: SQLite sees only that.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    state: *mut FileState,
}

struct FileState {
    disk: Shared,
    handle: Handle,
    delete_on_close: bool,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn code(result: Result<(), DiskError>, failed: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(DiskError::Full) => ffi::SQLITE_FULL,
        Err(DiskError::Off | DiskError::Failed | DiskError::Missing) => failed,
    }
}

/// # Safety
/// `file` is one that [`open`] filled and [`close`] has not seen.
unsafe fn state<'a>(file: *mut ffi::sqlite3_file) -> &'a FileState {
    // SAFETY: by the caller; `state` is a live box since `open`.
    unsafe { &*(*file.cast::<OpenFile>()).state }
}

/// # Safety
/// `vfs` is one that [`CrashVfs::register`] made.
unsafe fn disk_of(vfs: *mut ffi::sqlite3_vfs) -> Shared {
    // SAFETY: by the caller, `pAppData` is an `Arc` that lives as long as the VFS; the count is raised for the copy.
    unsafe {
        let disk = (*vfs).pAppData.cast::<Mutex<Disk>>().cast_const();
        Arc::increment_strong_count(disk);
        Arc::from_raw(disk)
    }
}

/// # Safety
/// `name` is null or NUL-terminated.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes this VFS, a NUL-terminated name or null, `szOsFile` bytes at `file`, and null or a valid
    // `out_flags`. `pMethods` must be set, to null if opening fails.
    unsafe {
        (*file).pMethods = ptr::null();
        let disk = disk_of(vfs);
        let name = text(name);
        let create = name.is_none() || flags & ffi::SQLITE_OPEN_CREATE != 0;
        let opened = lock(&disk).open(name, create);
        let Ok(handle) = opened else {
            return ffi::SQLITE_CANTOPEN;
        };
        let delete_on_close = flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
        let state = Box::into_raw(Box::new(FileState { disk, handle, delete_on_close }));
        (*file.cast::<OpenFile>()).state = state;
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: called once for a file that `open` filled.
    let state = unsafe { Box::from_raw((*file.cast::<OpenFile>()).state) };
    lock(&state.disk).close(&state.handle, state.delete_on_close);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, len: c_int, at: i64) -> c_int {
    let (Ok(len), Ok(at)) = (usize::try_from(len), usize::try_from(at)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: an open file, and `len` writable bytes at `into`.
    let (state, into) = unsafe { (state(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), len)) };
    match lock(&state.disk).read(&state.handle, at, into) {
        Ok(read) if read == len => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, len: c_int, at: i64) -> c_int {
    let (Ok(len), Ok(at)) = (usize::try_from(len), usize::try_from(at)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: an open file, and `len` readable bytes at `from`.
    let (state, from) = unsafe { (state(file), std::slice::from_raw_parts(from.cast::<u8>(), len)) };
    code(lock(&state.disk).write(&state.handle, at, from), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    let Ok(len) = usize::try_from(len) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    code(lock(&state.disk).truncate(&state.handle, len), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    code(lock(&state.disk).sync(&state.handle), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: an open file, and a valid place for the size.
    let (state, size) = unsafe { (state(file), &mut *size) };
    let len = lock(&state.disk).len(&state.handle);
    match len.map(i64::try_from) {
        Ok(Ok(len)) => {
            *size = len;
            ffi::SQLITE_OK
        }
        Ok(Err(_)) | Err(_) => ffi::SQLITE_IOERR_FSTAT,
    }
}

fn level(lock: c_int) -> Level {
    match lock {
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        ffi::SQLITE_LOCK_EXCLUSIVE => Level::Exclusive,
        _ => Level::None,
    }
}

unsafe extern "C" fn lock_file(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    match lock(&state.disk).locks(&state.handle).map(|locks| locks.raise(state.handle.id, level(wanted))) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_BUSY,
        Err(_) => ffi::SQLITE_IOERR_LOCK,
    }
}

unsafe extern "C" fn unlock_file(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    // A dead handle holds nothing.
    if let Ok(locks) = lock(&state.disk).locks(&state.handle) {
        locks.lower(state.handle.id, level(wanted));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file, and a valid place for the answer.
    let (state, out) = unsafe { (state(file), &mut *out) };
    match lock(&state.disk).locks(&state.handle) {
        Ok(locks) => {
            *out = c_int::from(locks.is_reserved());
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
    }
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _op: c_int, _arg: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    512
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file, and a valid place for the address.
    let (state, out) = unsafe { (state(file), &mut *out) };
    *out = ptr::null_mut();
    let (Ok(region), Ok(bytes)) = (usize::try_from(region), usize::try_from(bytes)) else {
        return ffi::SQLITE_IOERR_SHMMAP;
    };
    match lock(&state.disk).shm_region(&state.handle, region, bytes, extend != 0) {
        Ok(address) => {
            *out = address.map_or(ptr::null_mut(), <*mut u64>::cast);
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_SHMMAP,
    }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    // At most eight slots: the mask fits a byte.
    let mask = (((1_u16 << count) - 1) << offset).to_le_bytes()[0];
    let (take, exclusive) = (flags & ffi::SQLITE_SHM_LOCK != 0, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0);
    match lock(&state.disk).shm_lock(&state.handle, mask, take, exclusive) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_BUSY,
        // Giving back what a dead handle held is not an error.
        Err(_) if !take => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_SHMLOCK,
    }
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    lock(&state.disk).shm_unmap(&state.handle);
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, _sync: c_int) -> c_int {
    // SAFETY: SQLite passes this VFS and a NUL-terminated name.
    let (disk, name) = unsafe { (disk_of(vfs), text(name)) };
    let Some(name) = name else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    let deleted = lock(&disk).delete(name);
    match deleted {
        Err(DiskError::Missing) => ffi::SQLITE_IOERR_DELETE_NOENT,
        other => code(other, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, _flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite passes this VFS, a NUL-terminated name and a valid place for the answer.
    unsafe {
        let disk = disk_of(vfs);
        *out = c_int::from(text(name).is_some_and(|name| lock(&disk).exists(name)));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a NUL-terminated name, and `len` writable bytes at `out`.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if usize::try_from(len).is_ok_and(|len| name.len() <= len) {
            ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len());
            return ffi::SQLITE_OK;
        }
    }
    ffi::SQLITE_CANTOPEN
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, len: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite passes this VFS and `len` writable bytes at `out`.
    unsafe {
        let bytes = std::slice::from_raw_parts_mut(out.cast::<u8>(), usize::try_from(len).unwrap_or(0));
        lock(&disk_of(vfs)).random_bytes(bytes);
    }
    len
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    std::thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    micros
}

/// Milliseconds since noon of 24 November 4714 BC, as SQLite counts.
#[expect(clippy::disallowed_methods, reason = "SQLite asks its file system for the time")]
fn julian_millis() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    210_866_760_000_000 + i64::try_from(unix.as_millis()).unwrap_or(0)
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: a valid place for the answer.
    unsafe { *out = julian_millis() as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: a valid place for the answer.
    unsafe { *out = julian_millis() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_vfs: *mut ffi::sqlite3_vfs, _len: c_int, _out: *mut c_char) -> c_int {
    ffi::SQLITE_OK
}
