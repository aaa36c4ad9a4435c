//! What the system tells about a process: CPU time and memory. Linux: proc(5).

/// Ticks of the CPU times in `/proc/<pid>/stat`. `sysconf(_SC_CLK_TCK)` is 100 on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in seconds that a process and those children it has waited for have used, user and system.
///
/// # Panics
/// If there is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, after_name) = stat.rsplit_once(')').expect("the name is in parentheses");
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; the name is field 2.
    after_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>()
        / TICKS_PER_SECOND
}

/// Proportional set size in KiB: memory of its own and its share of what it shares.
///
/// # Panics
/// If there is no such process, or it belongs to somebody else.
pub fn pss_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("the roll-up has a Pss");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB")
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_memory_and_its_cpu_time_grows() {
        let pid = std::process::id();
        assert!(super::pss_kib(pid) > 100);
        let before = super::cpu_seconds(pid);
        let grown = (0..).find(|n: &u64| n % 1_000_000 == 0 && super::cpu_seconds(pid) > before);
        assert!(grown.is_some());
    }
}
