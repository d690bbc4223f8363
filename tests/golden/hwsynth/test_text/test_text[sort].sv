// sort(v: i32[6])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module sort (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // v: 6 words of i32
    output logic               v_ren,
    output logic [2:0]         v_raddr,
    input  logic signed [31:0] v_rdata,
    output logic               v_wen,
    output logic [2:0]         v_waddr,
    output logic signed [31:0] v_wdata
);
  logic [7:1] last_i;  // the stage that holds the last iteration

  // ----------------------------------------------------------------------- the run (designs.py:75)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last_i[7]) begin
        busy <= 1'b0;
      end
      done <= last_i[7];
    end
  end

  // ----------------- loop i, j: 15 iterations, one begins every 4 cycles, 8 stages (designs.py:76)
  localparam logic [1:0] LAST_PHASE = 2'd3;
  localparam logic [2:0] LAST_I = 3'd4;
  logic               turn_i;
  logic               issue_i;
  logic               i_last;
  logic [2:0]         i_plus_1;
  logic [2:0]         chosen;
  logic               at_most;
  logic [3:0]         j_plus_2;
  logic signed [3:0]  n5_minus_i;
  logic [2:0]         j_plus_1;
  logic               v_gt_v_rdata;
  logic [1:0]         phase_i;  // counts the cycles between two iterations
  logic [2:0]         i;
  logic [2:0]         j;
  logic               j_last;
  logic               run_i;    // iterations begin
  logic [7:1]         valid_i;  // the stages that hold an iteration
  logic [2:0]         j_1;
  logic [2:0]         v_addr;
  logic signed [31:0] v;
  logic               v_gt_v;
  logic signed [31:0] v_1;

  assign turn_i = phase_i == LAST_PHASE;
  assign issue_i = run_i && (phase_i == 2'd0);
  assign i_last = i == LAST_I;
  assign i_plus_1 = i + 3'd1;

  // designs.py:75: def sort(v: i32[N]):
  assign chosen = (accepted || (run_i && turn_i && j_last)) ? (accepted ? 3'd0 : i_plus_1) : i;

  assign at_most = (4'sd5 - $signed(4'(chosen))) <= 4'sd1;

  // designs.py:77: for j in range(N - 1 - i):
  assign j_plus_2 = 4'(j) + 4'd2;

  assign n5_minus_i = 4'sd5 - $signed(4'(i));

  // designs.py:77
  assign j_plus_1 = j_1 + 3'd1;

  // designs.py:78: if v[j] > v[j + 1]:
  assign v_gt_v_rdata = v > v_rdata;

  always_ff @(posedge clk) begin
    if (rst) begin
      run_i <= 1'b0;
      last_i <= '0;
      valid_i <= '0;
    end else begin
      if (accepted) begin
        run_i <= 1'b1;
      end else if (turn_i && j_last && i_last) begin
        run_i <= 1'b0;
      end
      last_i <= {last_i[6:1], issue_i && j_last && i_last};
      valid_i <= {valid_i[6:1], issue_i};
    end
  end

  // designs.py:76, 77, 78, 79
  always_ff @(posedge clk) begin
    if (accepted) begin
      phase_i <= 2'd0;
      i <= 3'd0;
      j <= 3'd0;
      j_last <= at_most;
    end else if (run_i) begin
      phase_i <= turn_i ? 2'd0 : phase_i + 2'd1;
      if (turn_i) begin
        if (j_last) i <= i_plus_1;
        j <= j_last ? 3'd0 : j + 3'd1;
        j_last <= j_last ? at_most : $signed(5'(j_plus_2)) >= 5'(n5_minus_i);
      end
    end
    if (valid_i[3]) j_1 <= j;
    if (valid_i[5]) begin
      v_addr <= j_plus_1;
      v <= v_rdata;
    end
    if (valid_i[6]) v_gt_v <= v_gt_v_rdata;
    if (valid_i[4]) v_1 <= v_rdata;
  end

  // ----------------------------------------------------------------------------------------- ports
  logic valid7_and_v_gt_v;

  // designs.py:76: for i in range(N - 1):
  assign valid7_and_v_gt_v = valid_i[7] && v_gt_v;

  assign v_raddr =
      valid_i[4] ? j_1
    : valid_i[5] ? j_plus_1
    : valid_i[6] ? v_addr
    : j;
  assign v_ren = valid_i[4] || valid_i[5] || valid_i[6] || valid_i[3];
  assign v_waddr = valid7_and_v_gt_v ? j_1 : v_addr;
  assign v_wdata = valid7_and_v_gt_v ? v_rdata : v_1;
  assign v_wen = valid7_and_v_gt_v || (valid_i[6] && v_gt_v_rdata);
endmodule
