// What search promises at its ports, as assertions: for simulation (verilator --assert) and proof.
module search_sva (
    input logic               clk,
    input logic               rst,
    input logic               start,
    input logic               busy,
    input logic               done,
    input logic               error,
    input logic               error_code,
    input logic signed [31:0] result,
    input logic               v_ren
);
  logic               known;  // there was a reset
  logic               fresh;  // in the cycle after a reset
  logic               was_taken;  // what was so a cycle ago
  logic               was_busy;
  logic               was_done;
  logic               owed;  // a start awaits its done
  logic               was_error;
  logic signed [31:0] was_result;
  logic               was_error_code;
  logic               taken;

  assign taken = start && !busy;

  initial known = 1'b0;
  always @(posedge clk) if (rst) known <= 1'b1;

  always_ff @(posedge clk) begin
    if (rst) begin
      fresh <= 1'b1;
      was_taken <= 1'b0;
      was_busy <= 1'b0;
      was_done <= 1'b0;
      owed <= 1'b0;
      was_error <= 1'b0;
    end else begin
      fresh <= 1'b0;
      was_taken <= taken;
      was_busy <= busy;
      was_done <= done;
      owed <= taken || (owed && !done);
      was_error <= error;
    end
  end

  always_ff @(posedge clk) begin
    was_result <= result;
    was_error_code <= error_code;
  end

  always @(posedge clk) if (known && !rst) begin
    // a reset ends a run, wherever it is: idle after it
    reset_leads_to_idle: assert (!fresh || (!busy && !done && !error));
    // a start while idle is taken: busy in the next cycle
    start_is_taken: assert (!was_taken || busy);
    // nothing but a start that was taken makes busy rise
    busy_has_a_start: assert (!busy || was_busy || was_taken);
    // busy falls with done alone
    busy_until_done: assert (!was_busy || busy || done);
    // done comes at the end of busy, and isn't high together with it
    done_ends_busy: assert (!done || (!busy && was_busy));
    // done is high for one cycle
    done_is_a_pulse: assert (!done || !was_done);
    // one done for each start that is taken, and none without
    one_done_for_a_start: assert (owed == (busy || done));
    // error stays until the next start is taken
    error_stays: assert (!was_error || was_taken || error);
    // error rises in a run alone
    error_has_a_run: assert (!error || was_error || was_busy);
    // a run with error is done in the next cycle
    error_ends_the_run: assert (!(was_error && was_busy) || done);
    // no memory is read or written while idle without a start
    idle_is_quiet: assert (busy || start || !(v_ren));
    // result changes in a run alone
    result_stays: assert (was_busy || was_taken || fresh || result === was_result);
    // error_code changes in a run alone
    error_code_stays: assert (was_busy || was_taken || fresh || error_code === was_error_code);
  end
endmodule

`ifdef YOSYS
module search_checked (
    input  logic clk,
    input  logic rst,
    input  logic start,
    input  logic signed [31:0] key,
    input  logic signed [31:0] v_rdata,
    output logic busy,
    output logic done,
    output logic error,
    output logic error_code,
    output logic signed [31:0] result,
    output logic v_ren
);
  logic [3:0] v_raddr;
  search dut (
    .clk(clk),
    .rst(rst),
    .start(start),
    .busy(busy),
    .done(done),
    .error(error),
    .error_code(error_code),
    .key(key),
    .result(result),
    .v_ren(v_ren),
    .v_raddr(v_raddr),
    .v_rdata(v_rdata)
  );
  search_sva checks (
    .clk(clk),
    .rst(rst),
    .start(start),
    .busy(busy),
    .done(done),
    .error(error),
    .error_code(error_code),
    .result(result),
    .v_ren(v_ren)
  );
endmodule
`else
bind search search_sva search_sva_checks (
    .clk(clk),
    .rst(rst),
    .start(start),
    .busy(busy),
    .done(done),
    .error(error),
    .error_code(error_code),
    .result(result),
    .v_ren(v_ren)
);
`endif
