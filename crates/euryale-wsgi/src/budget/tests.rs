use euryale_core::Ledger;
use euryale_core::body::{Descriptors, NoDescriptor, SpillStore};

use super::{AnswerBudget, FileCharge, MemoryCharge, NoRoom};

const KIB: usize = 1 << 10;

fn budget(ledger: &Ledger) -> AnswerBudget {
    AnswerBudget::new()
        .memory(100 << 10)
        .file_bytes(200 << 10)
        .ledger(ledger)
}

#[test]
fn large_answers_leave_half_of_the_memory_to_small_ones() {
    let ledger = Ledger::new();
    let budget = budget(&ledger);
    let mut large = MemoryCharge::none(&budget);
    assert!(large.grow(50 * KIB));
    assert!(!large.grow(51 * KIB));
    let mut other = MemoryCharge::none(&budget);
    assert!(!other.grow(17 * KIB));
    let small: Vec<MemoryCharge> = (0..3)
        .map(|_| {
            let mut charge = MemoryCharge::none(&budget);
            assert!(charge.grow(16 * KIB));
            charge
        })
        .collect();
    assert!(!other.grow(3 * KIB));
    drop((large, small, other));
    assert_eq!(ledger.unsettled(), [""; 0]);
}

#[test]
fn windows_of_early_answers_are_charged_and_leave_half_of_the_memory_to_small_answers() {
    let ledger = Ledger::new();
    let budget = budget(&ledger);
    let windows: Vec<_> = (0..3).map(|_| budget.charge_window(20 * KIB)).collect();
    assert_eq!(windows.iter().flatten().count(), 2);
    assert_eq!(budget.book().memory.get(), 40 << 10);
    assert_eq!(budget.book().spilled.get(), 1);
    drop(windows);
    assert_eq!(ledger.unsettled(), [""; 0]);
}

#[test]
fn files_are_charged_in_steps_and_to_the_last_byte() {
    let ledger = Ledger::new();
    let budget = budget(&ledger);
    let mut first = FileCharge::open(&budget).unwrap();
    first.grow(1).unwrap();
    assert_eq!(budget.book().file_bytes.get(), 64 << 10);
    let mut second = FileCharge::open(&budget).unwrap();
    // No whole step is left for the last bytes.
    second.grow(136 << 10).unwrap();
    assert_eq!(second.grow((136 << 10) + 1), Err(NoRoom));
    first.shrink(1);
    second.grow((136 << 10) + 1).unwrap();
    assert_eq!(budget.book().refused.get(), 1);
    drop((first, second));
    assert_eq!(ledger.unsettled(), [""; 0]);
}

#[test]
fn an_announced_length_is_refused_only_where_there_is_no_room() {
    let ledger = Ledger::new();
    let budget = budget(&ledger);
    let mut held = FileCharge::open(&budget).unwrap();
    held.grow(150 << 10).unwrap();
    assert_eq!(budget.expect(8 << 10, 0), Ok(()));
    assert_eq!(budget.expect(100 << 10, 0), Err(NoRoom));
    assert_eq!(budget.expect(100 << 10, 100 << 10), Ok(()));
}

#[test]
fn files_are_bounded_by_default_and_no_two_budgets_share_the_bound() {
    let first = AnswerBudget::new();
    let second = first.clone().memory(1);
    let files: Vec<FileCharge> = (0..1024)
        .map(|_| FileCharge::open(&first).unwrap())
        .collect();
    assert_eq!(FileCharge::open(&first).err(), Some(NoDescriptor));
    assert!(FileCharge::open(&second).is_ok());
    drop(files);
    assert!(FileCharge::open(&first).is_ok());
}

#[test]
fn each_file_takes_a_descriptor() {
    let ledger = Ledger::new();
    let descriptors = Descriptors::new(1, &ledger);
    let budget = budget(&ledger).descriptors(&descriptors);
    let first = FileCharge::open(&budget).unwrap();
    assert_eq!(FileCharge::open(&budget).err(), Some(NoDescriptor));
    drop(first);
    assert!(FileCharge::open(&budget).is_ok());
    assert_eq!(ledger.unsettled(), [""; 0]);
}
