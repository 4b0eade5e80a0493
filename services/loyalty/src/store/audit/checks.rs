//! The invariants of the ledger, each as one statement.

/// `$1` is the tenant, `$2` a program or empty. Each statement returns `wallet_id` and `diff`, never
/// negative; `NIL` is the nil UUID, `PURSES` has a row for each purse of each wallet, `EARNINGS` one for each
/// that an activity earned in, and `OUTSTANDING` one for each return that owes something. Tables are joined
/// by their keys only, everything else is summed up: no planner can mistake that for a few rows.
pub(super) const CHECKS: &[(&str, &str)] = &[
    (
        "member_and_program_accounts_agree",
        "SELECT w.wallet_id, ABS((w.available + w.pending + w.held - w.arrears) \
           - (w.issued + w.adjusted + w.waived + w.transferred \
           - w.redeemed - w.expired - w.reversed)) AS diff \
         FROM PURSES w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "postings_are_numbered_without_gaps",
        "SELECT w.wallet_id, ABS(w.posting_seq - COALESCE((SELECT COUNT(*) FROM posting p WHERE \
           p.bucket = w.bucket AND p.tenant_id = w.tenant_id AND p.wallet_id = w.wallet_id), 0)) \
           + ABS(w.posting_seq - COALESCE((SELECT MAX(p.seq) FROM posting p WHERE \
           p.bucket = w.bucket AND p.tenant_id = w.tenant_id AND p.wallet_id = w.wallet_id), 0)) AS diff \
         FROM wallet w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "available_and_pending_match_lots",
        "SELECT w.wallet_id, ABS(w.available - COALESCE((SELECT SUM(l.remaining) FROM lot l WHERE \
           l.bucket = w.bucket AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id \
           AND l.purse = w.purse AND l.pending = 0), 0)) \
           + ABS(w.pending - COALESCE((SELECT SUM(l.remaining) FROM lot l WHERE \
           l.bucket = w.bucket AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id \
           AND l.purse = w.purse AND l.pending = 1), 0)) AS diff \
         FROM PURSES w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "nothing_falls_due_unnoticed",
        "SELECT w.wallet_id, l.remaining AS diff FROM PURSES w JOIN lot l ON l.bucket = w.bucket \
           AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id AND l.purse = w.purse \
           AND l.remaining > 0 \
           AND ((l.pending = 0 AND l.expire_time < w.next_expire) \
           OR (l.pending = 1 AND l.activate_time < w.next_release)) \
         WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "lots_match_their_allocations",
        // Sums of both sides: allocations are in the order of postings, so looking for those of each lot
        // would go through all of the wallet's.
        "SELECT wallet_id, ABS(SUM(points)) AS diff FROM ( \
           SELECT l.bucket, l.wallet_id, l.lot_number, l.points - l.remaining AS points FROM lot l \
             JOIN wallet w ON w.bucket = l.bucket AND w.tenant_id = l.tenant_id \
             AND w.wallet_id = l.wallet_id WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
           UNION ALL SELECT a.bucket, a.wallet_id, a.lot_number, \
             CASE a.credit WHEN 1 THEN a.points ELSE -a.points END FROM allocation a \
             JOIN wallet w ON w.bucket = a.bucket AND w.tenant_id = a.tenant_id \
             AND w.wallet_id = a.wallet_id WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)) t \
         GROUP BY bucket, wallet_id, lot_number",
    ),
    (
        "postings_match_their_allocations",
        "SELECT p.wallet_id, ABS(p.points - COALESCE((SELECT SUM(CASE WHEN (a.credit = 1) = (p.reason = 9) \
           THEN a.points ELSE -a.points END) FROM allocation a WHERE \
           a.bucket = p.bucket AND a.tenant_id = p.tenant_id AND a.wallet_id = p.wallet_id \
           AND a.posting_seq = p.seq), 0)) AS diff \
         FROM posting p JOIN wallet w ON w.bucket = p.bucket AND w.tenant_id = p.tenant_id \
           AND w.wallet_id = p.wallet_id \
         WHERE (p.debit IN (1, 2) AND p.reason <> 5 OR p.reason = 9) \
         AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        // What is credited opens a lot, or comes back to one by an allocation.
        "credits_match_their_lots",
        "SELECT w.wallet_id, ABS(COALESCE((SELECT SUM(p.points) FROM posting p WHERE p.bucket = w.bucket \
           AND p.tenant_id = w.tenant_id AND p.wallet_id = w.wallet_id AND p.credit IN (1, 2) \
           AND p.purse = w.purse AND p.reason <> 5), 0) - COALESCE((SELECT SUM(a.points) FROM allocation a \
           JOIN lot l ON l.bucket = a.bucket AND l.tenant_id = a.tenant_id AND l.wallet_id = a.wallet_id \
           AND l.lot_number = a.lot_number WHERE a.bucket = w.bucket AND a.tenant_id = w.tenant_id \
           AND a.wallet_id = w.wallet_id AND a.credit = 1 AND l.purse = w.purse), 0) \
           - COALESCE((SELECT SUM(l.points) FROM lot l WHERE l.bucket = w.bucket \
           AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id AND l.purse = w.purse), 0)) \
           + ABS(w.lot_seq - COALESCE((SELECT COUNT(*) FROM lot l WHERE l.bucket = w.bucket \
           AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id), 0)) AS diff \
         FROM PURSES w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "expired_matches_lots",
        "SELECT w.wallet_id, ABS(w.expired - COALESCE((SELECT SUM(l.expired) FROM lot l WHERE \
           l.bucket = w.bucket AND l.tenant_id = w.tenant_id AND l.wallet_id = w.wallet_id \
           AND l.purse = w.purse), 0)) AS diff \
         FROM PURSES w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "held_matches_open_holds",
        "SELECT w.wallet_id, ABS(w.held - COALESCE((SELECT SUM(r.points_held) \
           FROM redemption r WHERE r.bucket = w.bucket AND r.tenant_id = w.tenant_id \
           AND r.wallet_id = w.wallet_id AND r.purse = w.purse AND r.state = 2), 0)) AS diff \
         FROM PURSES w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        // Whoever settles a wallet looks only at this moment.
        "next_hold_is_the_first_end_of_a_hold",
        "SELECT w.wallet_id, 1 AS diff FROM wallet w WHERE w.next_hold <> COALESCE((SELECT \
           MIN(r.hold_expire_time) FROM redemption r WHERE r.bucket = w.bucket \
           AND r.tenant_id = w.tenant_id AND r.wallet_id = w.wallet_id AND r.state = 2), \
           9223372036854775807) AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        // Redemptions go along with their members, postings stay where they were made.
        "redemptions_match_their_postings",
        "SELECT COALESCE((SELECT p.wallet_id FROM posting p WHERE p.tenant_id = $1 \
             AND p.redemption_id = x.redemption_id LIMIT 1), (SELECT r.wallet_id FROM redemption r \
             WHERE r.tenant_id = $1 AND r.redemption_id = x.redemption_id LIMIT 1)) AS wallet_id, x.diff \
         FROM (SELECT redemption_id, ABS(SUM(points)) AS diff FROM ( \
             SELECT r.redemption_id, r.purse, r.points_captured - r.points_refunded AS points \
             FROM redemption r WHERE r.tenant_id = $1 AND ($2 = '' OR r.program_id = $2) UNION ALL \
             SELECT p.redemption_id, p.purse, CASE WHEN p.credit = 7 THEN -p.points ELSE p.points END \
             FROM posting p JOIN wallet w ON w.bucket = p.bucket AND w.tenant_id = p.tenant_id \
             AND w.wallet_id = p.wallet_id WHERE (p.credit = 7 OR p.debit = 7) \
             AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)) t \
           GROUP BY redemption_id, purse HAVING SUM(points) <> 0) x",
    ),
    (
        // Activities go along with their members, postings stay where they were made.
        "activities_match_their_postings",
        "SELECT COALESCE((SELECT p.wallet_id FROM posting p WHERE p.tenant_id = $1 \
             AND p.activity_id = x.activity_id LIMIT 1), (SELECT a.wallet_id FROM activity a \
             WHERE a.tenant_id = $1 AND a.activity_id = x.activity_id LIMIT 1)) AS wallet_id, x.diff \
         FROM (SELECT activity_id, purse, ABS(SUM(issued)) + ABS(SUM(reversed)) AS diff FROM ( \
             SELECT a.activity_id, a.purse, a.points AS issued, a.points_reversed AS reversed \
             FROM EARNINGS a JOIN wallet w ON w.bucket = a.bucket AND w.tenant_id = a.tenant_id \
             AND w.wallet_id = a.wallet_id WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
             UNION ALL SELECT p.activity_id, p.purse, CASE WHEN p.debit = 5 THEN -p.points ELSE 0 END, \
             CASE WHEN p.credit = 6 THEN -p.points ELSE 0 END \
             FROM posting p JOIN wallet w ON w.bucket = p.bucket AND w.tenant_id = p.tenant_id \
             AND w.wallet_id = p.wallet_id WHERE (p.debit = 5 OR p.credit = 6) \
             AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)) t \
           GROUP BY activity_id, purse HAVING SUM(issued) <> 0 OR SUM(reversed) <> 0) x",
    ),
    (
        // No more of an activity is outstanding than was waived.
        "outstanding_was_waived",
        "SELECT (SELECT a.wallet_id FROM activity a WHERE a.tenant_id = $1 \
             AND a.activity_id = x.activity_id LIMIT 1) AS wallet_id, x.diff \
         FROM (SELECT activity_id, purse, SUM(points) AS diff FROM ( \
             SELECT a.activity_id, a.purse, a.points FROM OUTSTANDING a JOIN wallet w \
             ON w.bucket = a.bucket AND w.tenant_id = a.tenant_id AND w.wallet_id = a.wallet_id \
             WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
             UNION ALL SELECT p.activity_id, p.purse, CASE 10 WHEN p.debit THEN -p.points ELSE p.points END \
             FROM posting p JOIN wallet w ON w.bucket = p.bucket AND w.tenant_id = p.tenant_id \
             AND w.wallet_id = p.wallet_id WHERE (p.debit = 10 OR p.credit = 10) \
             AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)) t \
           GROUP BY activity_id, purse HAVING SUM(points) > 0) x",
    ),
    (
        // Basis 1 is the spend of purchases, 2 the number of activities not wholly taken back, 3 their units,
        // 4 what rules granted.
        "tier_credits_match_activities",
        "SELECT w.wallet_id, ABS(COALESCE((SELECT SUM(c.credits) FROM tier_credit c WHERE \
           c.bucket = w.bucket AND c.tenant_id = w.tenant_id AND c.wallet_id = w.wallet_id), 0) \
           - COALESCE((SELECT SUM(CASE WHEN p.tier_kinds <> 0 AND (p.tier_kinds >> a.kind) % 2 = 0 THEN 0 \
             WHEN p.tier_basis = 1 AND a.kind = 1 THEN a.amount_micros - a.returned_micros \
             WHEN p.tier_basis = 2 AND a.state IN (1, 2) THEN 1 \
             WHEN p.tier_basis = 3 THEN a.units WHEN p.tier_basis = 4 THEN a.credits ELSE 0 END) \
           FROM activity a \
           WHERE a.bucket = w.bucket AND a.tenant_id = w.tenant_id AND a.wallet_id = w.wallet_id), 0)) \
           AS diff \
         FROM wallet w JOIN program p ON p.tenant_id = w.tenant_id AND p.program_id = w.program_id \
         WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "tier_progress_matches_credits",
        "SELECT w.wallet_id, ABS(w.tier_progress - COALESCE((SELECT SUM(c.credits) FROM tier_credit c \
           WHERE c.bucket = w.bucket AND c.tenant_id = w.tenant_id AND c.wallet_id = w.wallet_id \
           AND w.tier_first_day > 0 AND c.day >= w.tier_first_day), 0)) AS diff \
         FROM wallet w WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "tiers_match_their_history",
        // The row that holds and begins last; none: the lowest tier, which is 1, or 0 where there is none or
        // was none yet.
        "SELECT w.wallet_id, ABS(w.tier_rank - COALESCE((SELECT h.rank FROM tier_history h \
             WHERE h.bucket = w.bucket AND h.tenant_id = w.tenant_id AND h.wallet_id = w.wallet_id \
             AND h.superseded_time = 9223372036854775807 \
             ORDER BY h.effective_time DESC, h.seq DESC LIMIT 1), CASE WHEN p.tiers = '[]' THEN 0 \
             WHEN w.tier_rank = 0 AND p.tiers_before LIKE '%\"tiers\":[]%' THEN 0 ELSE 1 END)) \
           + ABS(w.tier_seq - (SELECT COUNT(*) FROM tier_history h WHERE h.bucket = w.bucket \
             AND h.tenant_id = w.tenant_id AND h.wallet_id = w.wallet_id)) AS diff \
         FROM wallet w JOIN program p ON p.tenant_id = w.tenant_id AND p.program_id = w.program_id \
         WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        "events_are_numbered_without_gaps",
        // Those without a position yet and those in the log, whose beginning may have been dropped.
        "SELECT w.wallet_id, ABS(w.event_seq - COALESCE(e.newest, w.event_seq)) \
           + COALESCE(ABS(e.newest - e.oldest + 1 - e.kept), 0) AS diff \
         FROM wallet w LEFT JOIN (SELECT bucket, tenant_id, aggregate_id, MAX(aggregate_seq) AS newest, \
             MIN(aggregate_seq) AS oldest, COUNT(*) AS kept \
           FROM (SELECT bucket, tenant_id, aggregate_id, aggregate_seq FROM event UNION ALL \
             SELECT bucket, tenant_id, aggregate_id, aggregate_seq FROM event_log) a \
           WHERE tenant_id = $1 GROUP BY bucket, tenant_id, aggregate_id) e \
           ON e.bucket = w.bucket AND e.tenant_id = w.tenant_id AND e.aggregate_id = w.wallet_id \
         WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        // A command is recorded under the wallet that it names: its own, that of the member who acts, or the
        // other one of a move. Points that are held or were spent may be named by all who share the wallet.
        "postings_name_a_recorded_command",
        "SELECT (SELECT p.wallet_id FROM posting p WHERE p.tenant_id = $1 \
             AND p.request_id = x.request_id LIMIT 1) AS wallet_id, x.posted AS diff \
         FROM (SELECT scope_id, request_id, SUM(posted) AS posted FROM ( \
             SELECT CASE WHEN p.reason IN (14, 16) THEN NIL WHEN p.reason = 12 THEN p.other_wallet_id \
             ELSE p.actor_member_id END AS scope_id, p.request_id, 1 AS posted, 0 AS recorded \
             FROM posting p JOIN wallet w \
             ON w.bucket = p.bucket AND w.tenant_id = p.tenant_id AND w.wallet_id = p.wallet_id \
             LEFT JOIN command c ON c.bucket = p.bucket AND c.tenant_id = p.tenant_id \
             AND c.scope_id = p.wallet_id AND c.request_id = p.request_id \
             WHERE p.reason NOT IN (2, 5, 7, 15) AND p.debit <> 11 AND c.request_id IS NULL \
             AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
             UNION ALL SELECT c.scope_id, c.request_id, 0, 1 FROM command c WHERE c.tenant_id = $1 \
             UNION ALL SELECT NIL, c.request_id, 0, 1 FROM command c WHERE c.tenant_id = $1 \
             AND c.method IN ('CaptureRedemption', 'RefundRedemption')) t \
           GROUP BY scope_id, request_id HAVING SUM(posted) > 0 AND SUM(recorded) = 0) x",
    ),
    (
        // What one wallet gave by a request, another one received by it, of the same currency.
        "transfers_are_given_and_received",
        "SELECT giver AS wallet_id, ABS(SUM(points)) AS diff FROM ( \
           SELECT p.wallet_id AS giver, p.other_wallet_id AS taker, p.request_id, p.purse, p.points, \
             p.tenant_id FROM posting p WHERE p.credit = 11 UNION ALL \
           SELECT p.other_wallet_id, p.wallet_id, p.request_id, p.purse, -p.points, p.tenant_id \
           FROM posting p WHERE p.debit = 11) t WHERE tenant_id = $1 AND ($2 = '' OR giver IN \
           (SELECT wallet_id FROM wallet w WHERE w.tenant_id = $1 AND w.program_id = $2)) \
         GROUP BY giver, taker, request_id, purse",
    ),
    (
        "wallets_and_members_belong_together",
        // A member's own wallet has the member's id; another one has its points if that was moved: that of a
        // household in which it has a role, or of the one into whom it was merged.
        "SELECT w.wallet_id, 1 AS diff FROM wallet w LEFT JOIN member m ON m.tenant_id = w.tenant_id \
           AND m.bucket = w.bucket AND m.member_id = w.wallet_id AND m.program_id = w.program_id \
           LEFT JOIN household h ON h.tenant_id = w.tenant_id \
           AND h.bucket = w.bucket AND h.household_id = w.wallet_id AND h.program_id = w.program_id \
         WHERE (w.shared = 0 AND m.member_id IS NULL OR w.shared = 1 AND h.household_id IS NULL) \
           AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
         UNION ALL SELECT m.member_id, 1 AS diff FROM member m LEFT JOIN wallet w ON \
           w.tenant_id = m.tenant_id AND w.bucket = m.bucket AND w.wallet_id = m.member_id \
         WHERE (w.wallet_id IS NULL OR (w.moved_to = NIL) <> (m.wallet_id = m.member_id)) \
           AND m.tenant_id = $1 AND ($2 = '' OR m.program_id = $2) \
         UNION ALL SELECT m.member_id, 1 AS diff FROM member m JOIN wallet w ON \
           w.tenant_id = m.tenant_id AND w.bucket = m.bucket AND w.wallet_id = m.member_id \
           LEFT JOIN household h ON h.tenant_id = m.tenant_id AND h.program_id = m.program_id \
           AND h.household_id = w.moved_to \
         WHERE (w.role <> m.role OR (w.role <> 0) <> (h.household_id IS NOT NULL) \
           OR m.merged_into <> CASE w.role WHEN 0 THEN w.moved_to ELSE NIL END) \
           AND m.tenant_id = $1 AND ($2 = '' OR m.program_id = $2)",
    ),
    (
        // What was moved to another wallet is not here.
        "nothing_is_left_behind",
        "SELECT w.wallet_id, w.available + w.pending + w.held + w.arrears + COALESCE((SELECT COUNT(*) \
           FROM activity a WHERE a.bucket = w.bucket AND a.tenant_id = w.tenant_id \
           AND a.wallet_id = w.wallet_id), 0) AS diff \
         FROM PURSES w JOIN member m ON m.bucket = w.bucket AND m.tenant_id = w.tenant_id \
           AND m.member_id = w.wallet_id AND m.wallet_id <> m.member_id \
         WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2)",
    ),
    (
        // Whoever leaves a wallet takes along the points and the counts in its name, and nobody else does.
        "points_are_in_the_name_of_somebody_who_is_here",
        "SELECT wallet_id, SUM(points) AS diff FROM ( \
           SELECT CASE l.member_id WHEN NIL THEN l.wallet_id ELSE l.member_id END AS whose, l.wallet_id, \
             l.remaining AS points, 0 AS here FROM lot l JOIN wallet w ON w.bucket = l.bucket \
             AND w.tenant_id = l.tenant_id AND w.wallet_id = l.wallet_id \
             WHERE l.open = 1 AND w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
           UNION ALL SELECT c.member_id, c.wallet_id, c.points, 0 FROM COUNTS c JOIN wallet w \
             ON w.bucket = c.bucket AND w.tenant_id = c.tenant_id AND w.wallet_id = c.wallet_id \
             WHERE w.tenant_id = $1 AND ($2 = '' OR w.program_id = $2) \
           UNION ALL SELECT m.member_id, m.wallet_id, 0, 1 FROM member m WHERE m.tenant_id = $1 \
           UNION ALL SELECT h.household_id, h.household_id, 0, 1 FROM household h WHERE h.tenant_id = $1) t \
         GROUP BY whose, wallet_id HAVING SUM(points) > 0 AND SUM(here) = 0",
    ),
    (
        "postings_and_lots_have_a_wallet",
        "SELECT p.wallet_id, p.points AS diff FROM posting p LEFT JOIN wallet w ON w.bucket = p.bucket \
           AND w.tenant_id = p.tenant_id AND w.wallet_id = p.wallet_id \
         WHERE w.wallet_id IS NULL AND p.tenant_id = $1 AND $2 = $2 \
         UNION ALL SELECT l.wallet_id, l.points AS diff FROM lot l LEFT JOIN wallet w ON w.bucket = l.bucket \
           AND w.tenant_id = l.tenant_id AND w.wallet_id = l.wallet_id \
         WHERE w.wallet_id IS NULL AND l.tenant_id = $1",
    ),
    (
        "stock_matches_redemptions",
        "SELECT (SELECT r.wallet_id FROM redemption r WHERE r.tenant_id = s.tenant_id \
           AND r.program_id = s.program_id AND r.reward_id = s.reward_id LIMIT 1) AS wallet_id, \
           ABS(s.added - s.remaining - COALESCE((SELECT SUM(CASE r.state WHEN 2 THEN r.quantity \
           ELSE r.quantity_captured END) FROM redemption r WHERE r.tenant_id = s.tenant_id \
           AND r.program_id = s.program_id AND r.reward_id = s.reward_id), 0)) AS diff \
         FROM reward_stock s WHERE s.tenant_id = $1 AND ($2 = '' OR s.program_id = $2)",
    ),
    (
        "codes_match_redemptions",
        "SELECT (SELECT r.wallet_id FROM redemption r WHERE r.tenant_id = s.tenant_id \
           AND r.program_id = s.program_id AND r.reward_id = s.reward_id LIMIT 1) AS wallet_id, \
           ABS(s.codes_out - COALESCE((SELECT SUM(r.quantity_captured) FROM redemption r WHERE \
           r.tenant_id = s.tenant_id AND r.program_id = s.program_id AND r.reward_id = s.reward_id), 0)) \
           + ABS(s.added - COALESCE((SELECT COUNT(*) FROM reward_code c WHERE c.tenant_id = s.tenant_id \
           AND c.program_id = s.program_id AND c.reward_id = s.reward_id), 0)) AS diff \
         FROM reward_stock s JOIN reward w ON w.tenant_id = s.tenant_id AND w.program_id = s.program_id \
           AND w.reward_id = s.reward_id \
         WHERE w.supply = 2 AND s.tenant_id = $1 AND ($2 = '' OR s.program_id = $2)",
    ),
];
